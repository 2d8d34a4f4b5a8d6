# SPDX-License-Identifier: Apache-2.0
"""client_idle_timeout counts the silence of the client alone, server_idle_timeout that of the
server alone: what is written to a side does not count."""
import pytest

from harness.culvert import relay_to
from harness.peer import RST, Listener, pair
from harness.wait import DeadlinePassed, Stopwatch, duration, span


@pytest.mark.parametrize("side", ["client", "server"])
def test_idle_timeout_of_one_side(culvert, side):
    server = Listener()
    relay = culvert(relay_to(server, defaults={f"{side}_idle_timeout": "400ms"}))
    watch = Stopwatch()
    client, served = pair(relay, server)
    silent, talking = (client, served) if side == "client" else (served, client)
    try:
        while watch.seconds() < 20:
            talking.send(b".")
            silent.expect(b".")
            silent.is_silent(0.05)
    except (AssertionError, OSError) as error:
        assert not isinstance(error, DeadlinePassed), error
    assert 0.38 < watch.seconds() < 15
    record = relay.record_of(client)
    assert (record["reason"], record["waited_for"]) == ("idle_timeout", side)


def test_a_talking_client_is_not_idle(culvert):
    server = Listener()
    timeout = span(0.7)
    relay = culvert(relay_to(server, defaults={"client_idle_timeout": duration(timeout)}))
    client, served = pair(relay, server)
    watch = Stopwatch()
    while watch.seconds() < 2 * timeout:
        client.send(b".")
        served.expect(b".")
        assert served.is_silent(0.05)
    served.expect_end(RST)
