# SPDX-License-Identifier: Apache-2.0
"""The server sends 20,000 bytes and closes with unread input, so its kernel resets: the client gets
all 20,000 bytes every time, then the reset (RS3)."""
import pytest

from harness.culvert import relay_to
from harness.peer import RST, Listener, pair, pattern

SIZE = 20_000


def run(culvert, splice_key, rounds):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    for number in range(rounds):
        client, served = pair(relay, server)
        client.send(b"unread" * 100)
        served.read(1)
        served.send(pattern(SIZE, number))
        served.close()
        got, end = client.read_end()
        assert got == pattern(SIZE, number), f"round {number}: {len(got)} of {SIZE} bytes"
        assert end == RST
        client.close()
    record = relay.record_of(client)
    assert (record["reason"], record["download_bytes"]) == ("server_reset", SIZE)


def test_early_answer(culvert, splice_key):
    run(culvert, splice_key, 60)


@pytest.mark.soak
def test_early_answer_1000(culvert, splice_key):
    run(culvert, splice_key, 1000)


def test_server_that_answered_and_ended_before_the_upload_was_over(culvert):
    """The server ends its stream cleanly, then refuses what the client still sends: it answered
    early, so the session is done; what it refused is counted."""
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    served.send(b"413 too large")
    served.close()
    client.expect_end("FIN", b"413 too large")
    try:
        for _ in range(50):
            client.send(b"x" * 65536, 2)
    except (OSError, AssertionError):
        pass
    record = relay.record_of(client)
    assert (record["reason"], record["first"]) == ("done", "server")
    assert record["download_bytes"] == 13
