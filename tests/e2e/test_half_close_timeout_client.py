# SPDX-License-Identifier: Apache-2.0
"""The client ended its stream and the server says nothing more: after half_close_timeout both
sides are reset and the record says who was waited for (HC8)."""
from harness.culvert import relay_to
from harness.peer import FIN, RST, Listener, pair
from harness.wait import Stopwatch, limit


def test_half_close_timeout_client(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"half_close_timeout": "300ms"}))
    client, served = pair(relay, server)
    watch = Stopwatch()
    client.send(b"bye")
    client.fin()
    served.expect_end(FIN, b"bye")
    client.expect_end(RST)
    assert 0.28 < watch.seconds() < limit(3)
    served.wait_reset()
    record = relay.record_of(client)
    assert (record["reason"], record["first"], record["waited_for"]) == (
        "half_close_timeout", "client", "server")
