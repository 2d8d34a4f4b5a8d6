# SPDX-License-Identifier: Apache-2.0
"""Separate small segments that fill a pipe's slots exactly (16, 32, 64) are sent on at once: the
last one is not held back 200 ms for more (1.5)."""
import statistics

import pytest

from harness.culvert import relay_to
from harness.peer import Listener, exchange, pair, start_splicing
from harness.wait import Stopwatch, limit


@pytest.mark.parametrize("count", [15, 16, 17, 32, 48, 64, 65])
def test_cork_16_buffers(culvert, count):
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    exchange(client, served)
    times = []
    for _ in range(5):
        start_splicing(relay, client, served)
        with relay.frozen():
            for _ in range(count):
                client.send(b"x" * 100)
        watch = Stopwatch()
        served.expect(b"x" * 100 * count)
        served.send(b"reply")
        client.expect(b"reply")
        times.append(watch.seconds())
    assert statistics.median(times) < limit(0.08), times
