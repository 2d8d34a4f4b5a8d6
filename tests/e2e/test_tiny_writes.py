# SPDX-License-Identifier: Apache-2.0
"""Writes of one to three bytes, 30 kB both ways: equal, and a small message takes no more than two
milliseconds through the relay (BX2)."""
import random
import statistics

import pytest

from harness.crowd import BOTH, Crowd, Plan
from harness.culvert import relay_to
from harness.peer import Listener, pair
from harness.wait import Stopwatch, limit


def test_tiny_writes(culvert, splice_key):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    Crowd(relay.address(), server, chunk=(1, 3), read_size=(1, 50)).run(
        [Plan(1, 30_000, 30_000, BOTH)]).check()


@pytest.mark.plain_build
def test_small_messages_are_not_delayed(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    times = []
    for _ in range(300):
        data = b"x" * random.randint(1, 3)
        watch = Stopwatch()
        client.send(data)
        served.expect(data)
        times.append(watch.seconds())
    # What waits for a timer or for an acknowledgement is late always; by the machine's load not so.
    assert statistics.quantiles(times)[0] < limit(0.002)
