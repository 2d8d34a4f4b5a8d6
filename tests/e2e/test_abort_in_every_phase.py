# SPDX-License-Identifier: Apache-2.0
"""A reset by the client or by the server in every phase of a session: the other side sees a reset
(never an end of stream without one), and the descriptors are back at once (RS1, RS2)."""
import signal
import statistics

import pytest

from harness.culvert import relay_to
from harness.peer import FIN, RST, Blackhole, Listener, connect, exchange, pair, wait_acknowledged
from harness.wait import Stopwatch, limit, wait_until

ROUNDS = 25


def idle(client, served):
    exchange(client, served)


def upload(client, served):
    exchange(client, served)
    client.send(b"u" * 20_000)


def download(client, served):
    exchange(client, served)
    served.send(b"d" * 20_000)


def client_half_closed(client, served):
    exchange(client, served)
    client.fin()
    served.expect_end(FIN)


def server_half_closed(client, served):
    exchange(client, served)
    served.fin()
    client.expect_end(FIN)


PHASES = [idle, upload, download, client_half_closed, server_half_closed]


def other_saw_the_end(phase, who):
    return (phase, who) in ((client_half_closed, "client"), (server_half_closed, "server"))


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
@pytest.mark.parametrize("who", ["client", "server"])
def test_abort_in_every_phase(culvert, who, phase, splice_key):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    times = []
    for _ in range(ROUNDS):
        client, served = pair(relay, server)
        phase(client, served)
        breaker, other = (client, served) if who == "client" else (served, client)
        wait_acknowledged(breaker)
        before = other.read_available()
        breaker.rst()
        watch = Stopwatch()
        if other_saw_the_end(phase, who):
            other.wait_reset()  # it follows the end of stream
            rest = b""
        else:
            rest, end = other.read_end()
            assert end == RST
        times.append(watch.seconds())
        if (phase, who) in ((upload, "client"), (download, "server")):
            assert len(before + rest) == 20_000
        record = relay.record_of(client)
        # A server that had ended its stream and resets later answered early: that is `done`.
        early = phase is server_half_closed and who == "server"
        assert record["reason"] == ("done" if early else f"{who}_reset")
    assert statistics.median(times) < limit(0.2), times


def test_client_resets_while_connecting(culvert):
    relay = culvert(relay_to(Blackhole(), defaults={"connect_timeout": "1m"}))
    for _ in range(ROUNDS):
        client = connect(relay.address())
        client.rst()
        assert relay.record_of(client)["reason"] == "client_left"
    relay.wait_idle(2)


@pytest.mark.parametrize("who", ["client", "server"])
def test_reset_while_draining(culvert, who):
    server = Listener()
    relay = culvert(relay_to(server, culvert={"drain_timeout": "20s"}))
    pairs = [pair(relay, server) for _ in range(ROUNDS)]
    for client, served in pairs:
        exchange(client, served)
    relay.send_signal(signal.SIGTERM)
    wait_until(lambda: relay.get("/readyz")[0] == 503, 3, "the drain")
    for client, served in pairs:
        breaker, other = (client, served) if who == "client" else (served, client)
        breaker.rst()
        other.expect_end(RST)
    assert relay.wait_exit() == 0
    assert {one["reason"] for one in relay.session_records()} == {f"{who}_reset"}
