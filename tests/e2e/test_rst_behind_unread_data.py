# SPDX-License-Identifier: Apache-2.0
"""A reset that arrives while its receiver is not reading waits behind the bytes that came before
it: the receiver gets them all, then the reset (3.4: abort drain)."""
import pytest

from harness.culvert import relay_to
from harness.peer import RST, Listener, exchange, pair, pattern, wait_acknowledged

SIZE = 300_000


@pytest.mark.parametrize("who", ["client", "server"])
def test_rst_behind_unread_data(culvert, who, splice_key):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    client, served = pair(relay, server, rcvbuf=65536 if who == "server" else None)
    exchange(client, served)
    sender, receiver = (client, served) if who == "client" else (served, client)
    sender.send(pattern(SIZE))
    wait_acknowledged(sender)
    sender.rst()
    assert receiver.is_silent(0) is False
    got, end = receiver.read_end(5)
    assert (len(got), end) == (SIZE, RST)
    assert got == pattern(SIZE)
    assert relay.record_of(client)["reason"] == f"{who}_reset"


def test_abort_drain_gives_up_after_two_seconds(culvert):
    """A receiver that takes nothing for 2 s is reset; what it missed is counted."""
    server = Listener(rcvbuf=4096)
    relay = culvert(relay_to(server, defaults={"send_buffer": "16k"}))
    client, served = pair(relay, server)
    exchange(client, served)
    taken = client.fill(quiet=0.2, at_most=1 << 20)
    client.rst()
    record = relay.record_of(client, 5)
    assert record["reason"] == "client_reset"
    assert record["undelivered_bytes"] > 0
    assert record["upload_bytes"] + record["undelivered_bytes"] <= taken + 2
    served.wait_reset()
