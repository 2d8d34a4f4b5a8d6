# SPDX-License-Identifier: Apache-2.0
"""A side that takes nothing while data waits for it is reset after stall_timeout, and so is the
other; the record says who stalled and how much it missed (SR4)."""
import pytest

from harness.culvert import relay_to
from harness.peer import Listener, exchange, pair
from harness.wait import Stopwatch, limit


@pytest.mark.parametrize("who", ["client", "server"])
def test_stall_timeout(culvert, who, splice_key):
    server = Listener(rcvbuf=8192 if who == "server" else None)
    relay = culvert(relay_to(server, defaults={
        "splice": splice_key, "stall_timeout": "500ms", "idle_timeout": "1h"}))
    client, served = pair(relay, server, rcvbuf=8192 if who == "client" else None)
    exchange(client, served)
    sender = served if who == "client" else client
    watch = Stopwatch()
    sent = sender.fill(quiet=0.2)
    sender.wait_reset(5)
    assert 0.45 < watch.seconds() < limit(5)
    stalled = client if who == "client" else served
    stalled.wait_reset(2)
    record = relay.record_of(client)
    assert (record["reason"], record["waited_for"]) == ("stall_timeout", who)
    assert record["undelivered_bytes"] > 0
    moved = record["download_bytes"] if who == "client" else record["upload_bytes"]
    assert moved <= sent + 1
