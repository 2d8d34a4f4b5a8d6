# SPDX-License-Identifier: Apache-2.0
"""Three hundred servers push without end at clients that do not read: the relay stops taking, its
memory stays bounded, its pipes go back to the pool, other sessions are as quick as before, and the
readers get every byte when they resume (SR1, SR2, 1.9)."""
import statistics

import pytest

from harness.culvert import relay_to
from harness.peer import Listener, Pattern, exchange, pair
from harness.wait import Stopwatch, limit, wait_until


def round_trip_times(client, served, count=60):
    times = []
    for _ in range(count):
        watch = Stopwatch()
        exchange(client, served)
        times.append(watch.seconds())
    return times


def run(culvert, count, splice):
    server = Listener(sndbuf=65536)
    relay = culvert(relay_to(server, defaults={
        "splice": splice, "stall_timeout": "10m", "send_buffer": "64k", "receive_buffer": "128k"}))
    quick = pair(relay, server)
    before_times = round_trip_times(*quick)
    before = relay.ledger()
    stalled = []
    for number in range(count):
        client, served = pair(relay, server, rcvbuf=16384)
        stalled.append((client, served))
    sent = {}
    for turn in range(3):
        for client, served in stalled:
            source = Pattern(1)
            try:
                while sent.get(served, 0) < 4 << 20:
                    at = sent.get(served, 0)
                    sent[served] = at + served.sock.send(source.take(at, 256 * 1024))
            except BlockingIOError:
                pass
    assert max(sent.values()) < 4 << 20
    wait_until(lambda: relay.metric("culvert_pipes", state="used") == 0, 3,
               "the pipes to be spilled and returned")
    after = relay.ledger()
    grown = after.rss_kb - before.rss_kb
    assert grown < count * 128, f"{grown} kB for {count} stalled sessions"
    wait_until(lambda: statistics.median(round_trip_times(*quick)) <
               2 * statistics.median(before_times) + limit(0.001), 5, "round trips as quick as before")
    before_cpu = relay.cpu_s()
    assert quick[0].is_silent(0.5)
    assert relay.cpu_s() - before_cpu < 0.02
    for client, served in stalled[:: max(1, count // 10)]:
        Pattern(1).check(client.read(sent[served], 20))


@pytest.mark.plain_build
@pytest.mark.parametrize("splice", ["auto", "off"])
def test_slow_reader_300(culvert, splice):
    run(culvert, 300, splice)


def test_slow_reader_20(culvert, splice_key):
    """Small enough for sanitizer builds: only that nothing is lost."""
    server = Listener(sndbuf=65536)
    relay = culvert(relay_to(server, defaults={
        "splice": splice_key, "send_buffer": "64k", "receive_buffer": "128k"}))
    stalled = [pair(relay, server, rcvbuf=16384) for _ in range(20)]
    sent = [served.fill(quiet=0.01) for _, served in stalled]
    for (client, served), size in zip(stalled, sent):
        more = served.fill(quiet=0.01, at_most=0)
        Pattern(1).check(client.read(size + more, 20))


@pytest.mark.soak
@pytest.mark.plain_build
@pytest.mark.deadline(600)
def test_slow_reader_2000(culvert):
    run(culvert, 2000, "auto")
