# SPDX-License-Identifier: Apache-2.0
"""Segments of 536 bytes fill a pipe's slots long before its bytes. A reader that pauses gets every
tail as soon as it resumes, and the relay waits without spinning (1.4, BX13)."""
import random
import statistics

import pytest

from harness.culvert import SANITIZER, relay_to
from harness.peer import Listener, Pattern, exchange, pair, start_splicing, stream
from harness.wait import Stopwatch, limit


def run(culvert, replies, seed):
    server = Listener(maxseg=536)
    relay = culvert(relay_to(server))
    client, served = pair(relay, server, maxseg=536, rcvbuf=16384)
    exchange(client, served)
    start_splicing(relay, served, client)
    rng = random.Random(seed)
    source = Pattern(4)
    times = []
    for _ in range(replies):
        total = rng.randint(20_000, 70_000)
        sent = 0
        while sent < total:
            piece = source.take(sent, min(rng.randint(100, 1400), total - sent))
            served.send(piece, 2)
            sent += len(piece)
        watch = Stopwatch()
        client.expect(source.take(0, total), 2)
        times.append(watch.seconds())
    # A machine that stands still makes few of them late; a tail that waits for a timer, all.
    assert statistics.quantiles(times, n=10)[-1] < limit(0.1), sorted(times)[-20:]


def test_mss536_splice(culvert):
    run(culvert, 150, 1)


@pytest.mark.soak
@pytest.mark.deadline(900)
def test_mss536_splice_10000(culvert):
    run(culvert, 10_000, 2)


def test_waiting_for_a_paused_reader_costs_nothing(culvert):
    server = Listener(maxseg=536)
    relay = culvert(relay_to(server))
    client, served = pair(relay, server, maxseg=536, rcvbuf=16384)
    exchange(client, served)
    start_splicing(relay, served, client)
    filled = served.fill(quiet=0.3)
    before = relay.cpu_s()
    assert served.is_silent(1.0)
    used = relay.cpu_s() - before
    if not SANITIZER:
        assert used < 0.05, f"{used * 1000:.1f} ms of processor time in one second of waiting"
    got = client.read(filled, 20)
    Pattern(1).check(got)
    stream(served, client, 100_000)
