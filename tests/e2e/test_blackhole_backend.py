# SPDX-License-Identifier: Apache-2.0
"""A server that answers no SYN: the attempt ends at connect_timeout, the client gets a reset
(CN2)."""
from harness.culvert import relay_to
from harness.peer import RST, Blackhole, connect
from harness.wait import Stopwatch, limit


def test_blackhole_backend(culvert):
    server = Blackhole()
    relay = culvert(relay_to(server, defaults={"connect_timeout": "400ms"}))
    watch = Stopwatch()
    client = connect(relay.address())
    client.expect_end(RST)
    assert 0.38 < watch.seconds() < limit(3)
    record = relay.record_of(client)
    assert (record["reason"], record["phase"], record["retries"]) == ("connect_timeout", "connect", 0)
    assert (record["upload_bytes"], record["download_bytes"]) == (0, 0)
