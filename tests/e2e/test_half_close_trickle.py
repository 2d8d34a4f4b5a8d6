# SPDX-License-Identifier: Apache-2.0
"""A half-closed session whose other side still trickles stays open much longer than
half_close_timeout: every byte restarts it (HC9)."""
from harness.culvert import relay_to
from harness.peer import FIN, Listener, pair
from harness.wait import Stopwatch, duration, span


def test_half_close_trickle(culvert):
    timeout = span(0.7)
    server = Listener()
    relay = culvert(relay_to(server, defaults={
        "half_close_timeout": duration(timeout), "idle_timeout": duration(timeout)}))
    client, served = pair(relay, server)
    client.fin()
    served.expect_end(FIN)
    watch = Stopwatch()
    while watch.seconds() < 2.5 * timeout:
        served.send(b".")
        client.expect(b".")
        client.is_silent(0.05)
    served.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["reason"] == "done"
