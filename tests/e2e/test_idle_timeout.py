# SPDX-License-Identifier: Apache-2.0
"""No byte in either direction for idle_timeout: both sides are reset. A byte either way, at any
time, starts the clock again."""
from harness.culvert import relay_to
from harness.peer import RST, Listener, exchange, pair
from harness.wait import Stopwatch, limit


def test_idle_timeout(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"idle_timeout": "300ms"}))
    client, served = pair(relay, server)
    exchange(client, served)
    watch = Stopwatch()
    client.expect_end(RST)
    assert 0.25 < watch.seconds() < limit(0.6)
    served.wait_reset()
    record = relay.record_of(client)
    assert (record["reason"], record["first"], record["waited_for"]) == (
        "idle_timeout", "culvert", "both")
    assert record["duration_s"] >= 0.29


def test_a_byte_restarts_the_clock(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"idle_timeout": "400ms"}))
    client, served = pair(relay, server)
    watch = Stopwatch()
    while watch.seconds() < 1.2:
        client.send(b"u")
        served.expect(b"u")
        assert served.is_silent(0.1)
        served.send(b"d")
        client.expect(b"d")
        assert client.is_silent(0.1)
    client.expect_end(RST)
    assert relay.record_of(client)["reason"] == "idle_timeout"


def test_download_alone_keeps_a_session_alive(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"idle_timeout": "300ms"}))
    client, served = pair(relay, server)
    watch = Stopwatch()
    while watch.seconds() < 0.9:
        served.send(b"d")
        client.expect(b"d")
        assert client.is_silent(0.1)
    served.expect_end(RST)
