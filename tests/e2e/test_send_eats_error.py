# SPDX-License-Identifier: Apache-2.0
"""A reset that a failed send met first: the next recv on that socket says 0, which must not pass
for an end of stream. One side streams without pause, the other resets in the middle."""
import pytest

from harness.culvert import relay_to
from harness.peer import RST, Background, Listener, Pattern, exchange, pair

ROUNDS = 12


def stream_until_broken(conn):
    source = Pattern(3)
    offset = 0
    try:
        while offset < 1 << 30:
            data = source.take(offset, 65536)
            conn.send(data, 10)
            offset += len(data)
    except (ConnectionResetError, BrokenPipeError):
        pass
    return offset


@pytest.mark.parametrize("who", ["client", "server"])
def test_send_eats_error(culvert, who, splice_key):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    for number in range(ROUNDS):
        client, served = pair(relay, server)
        exchange(client, served)
        breaker, other = (client, served) if who == "client" else (served, client)
        sending = Background(stream_until_broken, other)
        breaker.read(200_000 + 10_007 * number)
        breaker.rst()
        sending.result()
        got, end = other.read_end(5)
        # The stream_until_broken thread may have taken the error from the socket: then the
        # socket says 0 to us as well, which is our own doing. So ask the record as well.
        assert got == b""
        record = relay.record_of(client)
        assert record["reason"] == f"{who}_reset", record
        assert end in (RST, "FIN")


@pytest.mark.parametrize("who", ["client", "server"])
def test_victim_that_only_reads_sees_the_reset(culvert, who, splice_key):
    """The same, but the side that must see the reset filled its buffers and only reads, so the
    error is still in its socket."""
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    for _ in range(ROUNDS):
        client, served = pair(relay, server)
        exchange(client, served)
        breaker, other = (client, served) if who == "client" else (served, client)
        other.fill(quiet=0.05, at_most=3 << 20)
        breaker.read(100_000)
        breaker.rst()
        other.expect_end(RST)
        assert relay.record_of(client)["reason"] == f"{who}_reset"
