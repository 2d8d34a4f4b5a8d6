# SPDX-License-Identifier: Apache-2.0
"""TERM and INT: new connections are refused at once, sessions that end in time end well (exit 0),
what is left at drain_timeout is reset with the reason drained (exit 75) (OP9)."""
import signal

import pytest

from harness.culvert import relay_to
from harness.peer import FIN, RST, Listener, connect, exchange, pair
from harness.wait import Stopwatch, duration, limit, span, wait_until


def refuses(address):
    try:
        client = connect(address, seconds=1)
    except ConnectionRefusedError:
        return True
    client.discard()
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sessions_that_end_in_time(culvert, number):
    server = Listener()
    relay = culvert(relay_to(server, culvert={"drain_timeout": "5m"}), workers=2)
    address = relay.address()
    live = [pair(relay, server) for _ in range(4)]
    for client, served in live:
        exchange(client, served)
    assert relay.get("/readyz")[0] == 200
    relay.send_signal(number)
    wait_until(lambda: relay.get("/readyz")[0] == 503, 3, "/readyz to say no")
    wait_until(lambda: refuses(address), 3, "new connections to be refused")
    assert relay.get("/healthz")[0] == 200
    for client, served in live:
        exchange(client, served)
        client.fin()
        served.expect_end(FIN)
        served.send(b"last words")
        served.close()
        client.expect_end(FIN, b"last words")
    watch = Stopwatch()
    assert relay.wait_exit(15) == 0
    assert watch.seconds() < limit(10)  # and not after drain_timeout
    # Attempts of refuses() that came before the listener was closed are sessions as well.
    reasons = [one["reason"] for one in relay.session_records()]
    assert reasons.count("done") == 4
    assert set(reasons) <= {"done", "client_reset", "client_left"}


def test_sessions_cut_at_drain_timeout(culvert):
    server = Listener()
    timeout = span(1)
    relay = culvert(relay_to(server, culvert={"drain_timeout": duration(timeout)}))
    live = [pair(relay, server) for _ in range(3)]
    for client, served in live:
        exchange(client, served)
    ending, ending_served = live.pop()
    watch = Stopwatch()
    relay.send_signal(signal.SIGTERM)
    ending.fin()
    ending_served.close()
    ending.expect_end(FIN)
    # Busy sessions are let be until the deadline.
    client, served = live[0]
    while watch.seconds() < timeout / 2:
        exchange(client, served)
    for client, served in live:
        client.expect_end(RST)
        served.wait_reset()
    assert timeout - 0.1 < watch.seconds() < timeout + limit(3)
    assert relay.wait_exit() == 75
    reasons = sorted(one["reason"] for one in relay.session_records())
    assert reasons == ["done", "drained", "drained"]
    assert "2" in str(relay.records()[-1])


def test_idle_relay_stops_at_once(culvert):
    relay = culvert(relay_to(Listener()), workers=2)
    watch = Stopwatch()
    assert relay.stop(signal.SIGTERM) == 0
    assert watch.seconds() < limit(5)


def test_drain_delay(culvert):
    """With drain_delay the relay says 503 at once but goes on accepting for that long."""
    delay = span(1.5)
    server = Listener()
    relay = culvert(relay_to(server, culvert={"drain_delay": duration(delay), "drain_timeout": "20s"}))
    address = relay.address()
    watch = Stopwatch()
    relay.send_signal(signal.SIGTERM)
    wait_until(lambda: relay.get("/readyz")[0] == 503, 2, "/readyz to say no")
    client = connect(address)
    served = server.accept()
    exchange(client, served)
    client.fin()
    served.close()
    client.expect_end(FIN)
    assert relay.wait_exit() == 0
    assert watch.seconds() > delay - 0.1
