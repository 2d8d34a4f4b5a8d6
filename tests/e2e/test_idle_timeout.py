# SPDX-License-Identifier: Apache-2.0
"""No byte in either direction for idle_timeout: both sides are reset. A byte either way, at any
time, starts the clock again."""
from harness.culvert import relay_to
from harness.peer import RST, Listener, exchange, pair
from harness.wait import Stopwatch, duration, limit, span


def test_idle_timeout(culvert):
    server = Listener()
    timeout = span(0.5)
    relay = culvert(relay_to(server, defaults={"idle_timeout": duration(timeout)}))
    client, served = pair(relay, server)
    watch = Stopwatch()
    exchange(client, served)
    client.expect_end(RST)
    assert timeout - 0.05 < watch.seconds() < timeout + limit(3)
    served.wait_reset()
    record = relay.record_of(client)
    assert (record["reason"], record["first"], record["waited_for"]) == (
        "idle_timeout", "culvert", "both")
    assert record["duration_s"] >= timeout - 0.01


def test_a_byte_restarts_the_clock(culvert):
    server = Listener()
    timeout = span(0.7)
    relay = culvert(relay_to(server, defaults={"idle_timeout": duration(timeout)}))
    client, served = pair(relay, server)
    watch = Stopwatch()
    while watch.seconds() < 2 * timeout:
        client.send(b"u")
        served.expect(b"u")
        assert served.is_silent(0.05)
        served.send(b"d")
        client.expect(b"d")
        assert client.is_silent(0.05)
    client.expect_end(RST)
    assert relay.record_of(client)["reason"] == "idle_timeout"


def test_download_alone_keeps_a_session_alive(culvert):
    server = Listener()
    timeout = span(0.7)
    relay = culvert(relay_to(server, defaults={"idle_timeout": duration(timeout)}))
    client, served = pair(relay, server)
    watch = Stopwatch()
    while watch.seconds() < 2 * timeout:
        served.send(b"d")
        client.expect(b"d")
        assert client.is_silent(0.05)
    served.expect_end(RST)
