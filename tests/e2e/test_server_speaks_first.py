# SPDX-License-Identifier: Apache-2.0
"""A silent client: the relay dials the server without waiting for bytes, and the server's greeting
comes through (BX7, SL3)."""
import statistics

from harness.culvert import relay_to
from harness.peer import Listener, connect
from harness.wait import Stopwatch, limit


def test_server_speaks_first(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    address = relay.address()
    times = []
    for _ in range(20):
        watch = Stopwatch()
        client = connect(address)
        served = server.accept()
        times.append(watch.seconds())
        served.send(b"220 ready\r\n")
        client.expect(b"220 ready\r\n")
        client.close()
        served.close()
    assert statistics.median(times) < limit(0.05)
