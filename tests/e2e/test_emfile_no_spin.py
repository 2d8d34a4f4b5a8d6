# SPDX-License-Identifier: Apache-2.0
"""No descriptor left for the next connection: the relay does not spin, live sessions go on, the
log does not flood, and accepting resumes within a second after one is free (RX2)."""
import itertools
import os
import resource

from harness.culvert import SANITIZER, relay_to
from harness.peer import Listener, connect, exchange, pair
from harness.wait import Stopwatch, limit, wait_until


def lower_limit(relay, free):
    """Leave room for exactly `free` more descriptors. Higher ones that are open stay open."""
    relay.wait_quiet()
    used = {int(name) for name in os.listdir(f"/proc/{relay.pid}/fd")}
    unused = (number for number in range(len(used) + free + 1) if number not in used)
    limit = next(itertools.islice(unused, free, None))
    _, hard = resource.prlimit(relay.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (limit, hard))
    return hard


def test_emfile_no_spin(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    address = relay.address()
    live = [pair(relay, server) for _ in range(3)]
    for client, served in live:
        exchange(client, served)
    hard = lower_limit(relay, 0)
    waiting = [connect(address) for _ in range(5)]
    wait_until(lambda: sum(1 for one in relay.records() if "EMFILE" in str(one)
                           or "descriptor" in str(one)) > 0, 5, "a word about EMFILE in the log")
    before = relay.cpu_s()
    assert server.nobody_came(1.0)
    used = relay.cpu_s() - before
    if not SANITIZER:
        assert used < 0.05, f"{used * 1000:.0f} ms of processor time in one second without descriptors"
    for client, served in live:
        exchange(client, served)
    resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (hard, hard))
    watch = Stopwatch()
    for _ in waiting:
        server.accept().send(b"hello")
    assert watch.seconds() < 1 + limit(2)
    for client in waiting:
        client.expect(b"hello")
    assert relay.metric("culvert_sessions_closed_total") == 0
    relay.wait_metric_from("culvert_accept_errors_total", 1, errno="EMFILE")
    assert len(relay.records()) < 60


def test_no_descriptor_for_the_server_side(culvert):
    """Room for the client but not for its connection to the server, nor for anything else: what is
    kept for that serves it, the next client waits in the queue, and the server is not blamed."""
    server = Listener()
    relay = culvert(relay_to([server, server.address.replace("127.0.0.1", "127.0.0.2")]))
    address = relay.address()
    hard = lower_limit(relay, 1)
    client, served = connect(address), server.accept()
    exchange(client, served)
    waiting = connect(address)
    assert server.nobody_came(0.3)
    exchange(client, served)
    resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (hard, hard))
    exchange(waiting, server.accept())
    assert relay.metric("culvert_sessions_closed_total") == 0
    assert relay.metric("culvert_server_up") == 2
