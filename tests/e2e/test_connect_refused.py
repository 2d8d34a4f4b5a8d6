# SPDX-License-Identifier: Apache-2.0
"""The only server refuses: the client is reset within 50 ms, nothing is tried twice (CN1)."""
import statistics

from harness.culvert import relay_to
from harness.peer import RST, connect, refused_address
from harness.wait import Stopwatch, limit


def test_connect_refused(culvert):
    relay = culvert(relay_to(refused_address(), pool={"max_fails": 0}))
    times = []
    for _ in range(20):
        watch = Stopwatch()
        client = connect(relay.address())
        client.expect_end(RST)
        times.append(watch.seconds())
        record = relay.record_of(client)
        assert (record["reason"], record["errno"], record["phase"], record["retries"]) == (
            "connect_refused", "ECONNREFUSED", "connect", 0)
    assert statistics.median(times) < limit(0.05)
    relay.wait_metric("culvert_connects_total", 20, result="refused")


def test_when_down_close(culvert):
    """`when_down = close`: the client gets an end of stream instead of a reset."""
    relay = culvert(relay_to(refused_address(), listen={"when_down": "close"}))
    client = connect(relay.address())
    client.expect_end("FIN")
    assert relay.record_of(client)["reason"] == "connect_refused"
