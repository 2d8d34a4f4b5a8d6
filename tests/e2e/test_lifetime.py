# SPDX-License-Identifier: Apache-2.0
"""max_lifetime ends a busy session with a reset on both sides; lifetime_jitter spreads the ends."""
from harness.culvert import relay_to
from harness.peer import RST, DeadlinePassed, Listener, exchange, pair
from harness.wait import Stopwatch, limit


def test_lifetime(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"max_lifetime": "500ms", "lifetime_jitter": "0%"}))
    watch = Stopwatch()
    client, served = pair(relay, server)
    try:
        while watch.seconds() < 10:
            exchange(client, served)
    except (AssertionError, OSError) as error:
        assert not isinstance(error, DeadlinePassed), error
    assert 0.48 < watch.seconds() < limit(4)
    record = relay.record_of(client)
    assert (record["reason"], record["first"]) == ("max_lifetime", "culvert")
    assert 0.49 <= record["duration_s"] < limit(4)


def test_lifetime_resets_both(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"max_lifetime": "200ms"}))
    client, served = pair(relay, server)
    client.expect_end(RST)
    served.expect_end(RST)


def test_lifetime_jitter(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"max_lifetime": "500ms", "lifetime_jitter": "50%"}))
    pairs = [pair(relay, server) for _ in range(30)]
    for client, _ in pairs:
        client.expect_end(RST)
    durations = [relay.record_of(client)["duration_s"] for client, _ in pairs]
    assert min(durations) >= 0.24
    assert max(durations) <= limit(4)
    assert max(durations) - min(durations) > 0.1
