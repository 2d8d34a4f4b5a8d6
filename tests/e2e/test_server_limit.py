# SPDX-License-Identifier: Apache-2.0
"""`max_connections` of a server: the next session goes to another one; when all are full it ends
with the reason limit; the count is one over all workers."""
import pytest

from harness.culvert import relay_to
from harness.peer import RST, NamedServer, connect, read_line
from harness.wait import wait_until


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("balance", ["leastconn", "roundrobin", "random", "first"])
def test_server_limit(culvert, workers, balance):
    small, large = NamedServer("small"), NamedServer("large")
    relay = culvert(relay_to([f"small {small.address} max_connections=3",
                              f"large {large.address} max_connections=5"],
                             pool={"balance": balance}), workers=workers)
    clients = [connect(relay.address()) for _ in range(8)]
    for client in clients:
        read_line(client)
    assert (small.open, large.open) == (3, 5)
    extra = connect(relay.address())
    extra.expect_end(RST)
    assert relay.record_of(extra)["reason"] in ("limit", "queue_full")
    clients[0].rst()
    wait_until(lambda: small.open + large.open == 7, 2, "a free place")
    wait_until(lambda: relay.sessions_total() == 7, 2, "the session to be over")
    again = connect(relay.address())
    assert read_line(again) in ("small", "large")
