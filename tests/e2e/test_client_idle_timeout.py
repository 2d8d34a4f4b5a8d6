# SPDX-License-Identifier: Apache-2.0
"""client_idle_timeout counts the silence of the client alone, server_idle_timeout that of the
server alone: what is written to a side does not count."""
import pytest

from harness.culvert import relay_to
from harness.peer import RST, Listener, pair
from harness.wait import DeadlinePassed, Stopwatch


@pytest.mark.parametrize("side", ["client", "server"])
def test_idle_timeout_of_one_side(culvert, side):
    server = Listener()
    relay = culvert(relay_to(server, defaults={f"{side}_idle_timeout": "400ms"}))
    client, served = pair(relay, server)
    silent, talking = (client, served) if side == "client" else (served, client)
    watch = Stopwatch()
    try:
        while watch.seconds() < 5:
            talking.send(b".")
            silent.expect(b".", 1)
            silent.is_silent(0.05)
    except (AssertionError, OSError) as error:
        assert not isinstance(error, DeadlinePassed), error
    assert 0.3 < watch.seconds() < 4
    record = relay.record_of(client)
    assert (record["reason"], record["waited_for"]) == ("idle_timeout", side)


def test_a_talking_client_is_not_idle(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"client_idle_timeout": "300ms"}))
    client, served = pair(relay, server)
    watch = Stopwatch()
    while watch.seconds() < 0.9:
        client.send(b".")
        served.expect(b".")
        assert served.is_silent(0.1)
    served.expect_end(RST)
