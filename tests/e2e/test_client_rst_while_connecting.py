# SPDX-License-Identifier: Apache-2.0
"""The client resets while the connection to the server is pending: the attempt is given up at
once, with the reason client_left, whether bytes waited in front of the reset or not."""
import pytest

from harness.culvert import relay_to
from harness.peer import Blackhole, connect, wait_acknowledged
from harness.wait import Stopwatch, limit, wait_until


@pytest.mark.parametrize("data", [b"", b"some bytes"])
def test_client_rst_while_connecting(culvert, data):
    server = Blackhole()
    relay = culvert(relay_to(server, defaults={"connect_timeout": "20s"}))
    client = connect(relay.address())
    if data:
        client.send(data)
    wait_until(lambda: [one for one in relay.sessions() if one["phase"] == "connect"], 3,
               "a session in phase connect")
    wait_acknowledged(client)
    watch = Stopwatch()
    client.rst()
    record = relay.record_of(client)
    assert watch.seconds() < limit(3)
    assert (record["reason"], record["phase"]) == ("client_left", "connect")
    relay.wait_idle(2)


def test_reset_behind_an_end_while_connecting(culvert):
    """Bytes and an end of stream, then a reset: still noticed while connecting."""
    server = Blackhole()
    relay = culvert(relay_to(server, defaults={"connect_timeout": "20s"}))
    client = connect(relay.address())
    client.send(b"bytes")
    client.fin()
    wait_until(lambda: [one for one in relay.sessions() if one["phase"] == "connect"], 3,
               "a session in phase connect")
    wait_acknowledged(client)
    client.rst()
    assert relay.record_of(client, 3)["reason"] == "client_left"
