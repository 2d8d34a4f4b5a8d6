# SPDX-License-Identifier: Apache-2.0
"""Thousands of clients that connect and reset at once: afterwards the relay is idle within a second,
nothing is left, and the log has at most one error a second (RS7, SL6)."""
import pytest

from harness.culvert import SANITIZER, relay_to
from harness.peer import Listener, connect, exchange
from harness.wait import Stopwatch, wait_until


def run(culvert, count):
    server = Listener()
    relay = culvert(relay_to(server), workers=2)
    address = relay.address()
    watch = Stopwatch()
    for number in range(count):
        client = connect(address)
        if number % 3 == 0:
            client.send(b"x")
        if number % 2:
            client.rst()
        else:
            client.close()
        if number % 200 == 0:
            drain_queue(server)
    seconds = watch.seconds()
    wait_until(lambda: drain_queue(server) or relay.sessions_total() == 0, 10, "all to be over")
    relay.wait_idle()
    drain_queue(server)  # the last ones came while we looked whether all was over
    before = relay.cpu_s()
    assert server.nobody_came(0.5)
    if not SANITIZER:
        assert relay.cpu_s() - before < 0.02
    loud = [one for one in relay.records() if one.get("level") in ("error", "warning", "warn")]
    assert len(loud) <= seconds + 3, loud[:10]
    client = connect(address)
    exchange(client, server.accept())


def drain_queue(server):
    while not server.nobody_came(0):
        server.accept().discard()


def test_rst_flood(culvert):
    run(culvert, 3000)


@pytest.mark.soak
@pytest.mark.deadline(900)
def test_rst_flood_200000(culvert):
    run(culvert, 200_000)
