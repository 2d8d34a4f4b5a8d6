# SPDX-License-Identifier: Apache-2.0
"""Starting: a busy address, an impossible descriptor budget, as process 1 of a container, with a bad
option; each with its exit code and a clear message (OP13, RX1)."""
import os
import re
import resource
import shutil
import signal

import pytest

from harness.culvert import SANITIZER, StartFailed, relay_to, run_culvert
from harness.peer import Listener, connect, exchange, pair


def start_fails(culvert, sections, **options):
    relay = culvert(sections, wait_ready=False, **options)
    with pytest.raises(StartFailed) as failure:
        relay.wait_ready()
    relay.stopped_by_test = True
    return failure.value


def test_busy_address(culvert):
    server = Listener()
    failure = start_fails(culvert, relay_to(server, listen={"bind": server.address}))
    assert failure.code == 69
    assert server.address in failure.stderr


def test_two_relays_on_one_address(culvert):
    """Each worker has a SO_REUSEPORT socket of its own, and still a second process is refused."""
    server = Listener()
    relay = culvert(relay_to(server), workers=2)
    failure = start_fails(culvert, relay_to(server, listen={"bind": relay.address()}), workers=2)
    assert failure.code == 69
    for _ in range(10):
        client, served = pair(relay, server)
        exchange(client, served)


def test_nothing_is_bound_when_one_address_is_busy(culvert):
    server = Listener()
    address = Listener(listening=False).address  # free for us: it stays bound, and nobody listens
    failure = start_fails(culvert, {
        "listen one": {"bind": address, "server": server.address},
        "listen two": {"bind": server.address, "server": server.address}})
    assert failure.code == 69
    assert server.address in failure.stderr and address not in failure.stderr
    Listener(port=int(address.rpartition(":")[2])).close()


def lower_nofile(number):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


def test_budget_that_does_not_fit(culvert):
    failure = start_fails(culvert, relay_to(Listener()), limits={"max_connections": 1000},
                          preexec=lower_nofile(500))
    assert failure.code == 78
    assert re.search(r"RLIMIT_NOFILE", failure.stderr)
    # The number it names is enough, and not much more than needed.
    needed = int(re.search(r"LimitNOFILE to (\d+)", failure.stderr).group(1))
    assert 2000 < needed < 4000
    server = Listener()
    relay = culvert(relay_to(server), limits={"max_connections": 1000}, preexec=lower_nofile(needed))
    exchange(*pair(relay, server))


def test_auto_fits_itself_in(culvert):
    server = Listener()
    relay = culvert(relay_to(server), preexec=lower_nofile(400))
    limit = relay.metric("culvert_limit_sessions")
    assert 20 < limit < 200
    exchange(*pair(relay, server))


def test_auto_never_runs_out(culvert):
    """All the sessions the budget allows fit into the descriptors it was made for."""
    server = Listener()
    relay = culvert(relay_to(server), preexec=lower_nofile(300),
                    limits={"on_limit": "reset"})
    limit = int(relay.metric("culvert_limit_sessions"))
    pairs = [pair(relay, server) for _ in range(limit)]
    for client, served in pairs:
        client.send(b"x" * 200_000)
        served.read(200_000)
    connect(relay.address()).expect_end("RST")
    assert relay.metric("culvert_accept_errors_total") == 0
    assert relay.metric("culvert_sessions_closed_total", reason="no_resources") == 0
    assert relay.get("/healthz")[0] == 200


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root")
@pytest.mark.skipif(SANITIZER == "address", reason="the leak check needs /proc of its own")
def test_process_one(culvert):
    """As process 1 (a container) signals without a handler are ignored: TERM must have one."""
    server = Listener()
    relay = culvert(relay_to(server), wrapper=("unshare", "--pid", "--fork", "--kill-child"),
                    traced=True)
    exchange(*pair(relay, server))
    assert relay.stop(signal.SIGQUIT) == 0


@pytest.mark.parametrize("arguments,code", [
    (["--no-such-option"], 64), (["-c"], 64), (["-c", "/nonexistent/culvert.ini"], 78),
    (["--version"], 0), (["--help"], 0), (["--print-default"], 0)])
def test_exit_codes(arguments, code):
    assert run_culvert(*arguments).returncode == code
