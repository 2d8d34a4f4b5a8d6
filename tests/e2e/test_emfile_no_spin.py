# SPDX-License-Identifier: Apache-2.0
"""No descriptor left for the next connection: the relay does not spin, live sessions go on, the
log does not flood, and accepting resumes within a second after one is free (RX2)."""
import os
import resource

from harness.culvert import SANITIZER, relay_to
from harness.peer import Listener, connect, exchange, pair
from harness.wait import Stopwatch, limit, wait_until


def lower_limit(relay, free):
    """Leave room for `free` more descriptors."""
    highest = max(int(name) for name in os.listdir(f"/proc/{relay.pid}/fd"))
    used = len(os.listdir(f"/proc/{relay.pid}/fd"))
    holes = highest + 1 - used
    _, hard = resource.prlimit(relay.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (highest + 1 + max(0, free - holes), hard))
    return hard


def refused_sessions(relay):
    return relay.metric("culvert_sessions_closed_total", reason="no_resources")


def test_emfile_no_spin(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    address = relay.address()
    live = [pair(relay, server) for _ in range(3)]
    for client, served in live:
        exchange(client, served)
    relay.wait_quiet()
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
    refused = 0
    for _ in waiting:
        # One may have found room for itself but not for its server, when a descriptor of the
        # control socket was still open as the limit was set.
        wait_until(lambda: not server.nobody_came(0) or refused_sessions(relay) > refused, 3,
                   "the next session")
        if server.nobody_came(0):
            refused += 1
            continue
        server.accept().send(b"hello")
    assert watch.seconds() < limit(1.2)
    assert refused <= 1
    got = [client.read_end(0.2)[0] for client in waiting]
    assert got.count(b"hello") == len(waiting) - refused
    assert relay.metric("culvert_accept_errors_total", errno="EMFILE") >= 1
    assert len(relay.records()) < 60


def test_no_descriptor_for_the_server_side(culvert):
    """Room for the client but not for the connection to the server: that session ends with
    no_resources, and the server is not blamed."""
    server = Listener()
    relay = culvert(relay_to([server, server.address.replace("127.0.0.1", "127.0.0.2")]))
    address = relay.address()
    relay.wait_quiet()
    hard = lower_limit(relay, 1)
    client = connect(address)
    client.expect_end("RST")
    resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (hard, hard))
    record = relay.record_of(client)
    assert (record["reason"], record["errno"]) == ("no_resources", "EMFILE")
    client, served = pair(relay, server)
    exchange(client, served)
    assert relay.metric("culvert_server_up") == 2
