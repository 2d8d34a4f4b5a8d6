# SPDX-License-Identifier: Apache-2.0
"""The server ended its stream and the client says nothing more: after half_close_timeout both
sides are reset and the record says who was waited for (HC8)."""
from harness.culvert import relay_to
from harness.peer import FIN, RST, Listener, pair
from harness.wait import Stopwatch, limit


def test_half_close_timeout_server(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"half_close_timeout": "300ms"}))
    client, served = pair(relay, server)
    watch = Stopwatch()
    served.send(b"bye")
    served.fin()
    client.expect_end(FIN, b"bye")
    served.expect_end(RST)
    assert 0.28 < watch.seconds() < limit(3)
    client.wait_reset()
    record = relay.record_of(client)
    assert (record["reason"], record["first"], record["waited_for"]) == (
        "half_close_timeout", "server", "client")
