# SPDX-License-Identifier: Apache-2.0
"""Random sequences of sends, urgent bytes, ends and resets from both sides, each checked against
what a direct connection would show (RS6). The seed of a failing session is in the message."""
import random

import pytest

from harness.culvert import relay_to
from harness.peer import FIN, RST, Listener, Pattern, pair, wait_acknowledged


class Side:
    def __init__(self, conn, seed):
        self.conn = conn
        self.source = Pattern(seed)
        self.sent = bytearray()
        self.has_ended = False
        self.has_reset = False


def run_session(relay, server, seed):
    rng = random.Random(seed)
    client_conn, served_conn = pair(relay, server)
    client, served = Side(client_conn, 2 * seed), Side(served_conn, 2 * seed + 1)
    sides = [client, served]
    while True:
        side = rng.choice(sides)
        action = rng.choices(["send", "bulk", "urgent", "end", "reset"], [6, 1, 1, 2, 0.6])[0]
        if action == "reset":
            # Only what the relay has acknowledged survives a reset, with or without a relay.
            wait_acknowledged(side.conn)
            side.conn.rst()
            side.has_reset = True
            break
        if side.has_ended:
            if all(one.has_ended for one in sides):
                break
            continue
        if action == "end":
            side.conn.fin()
            side.has_ended = True
        elif action == "urgent":
            side.conn.oob(b"!")
            side.sent += b"!"
        else:
            size = rng.randint(1, 3000) if action == "send" else rng.randint(16_000, 60_000)
            if len(side.sent) + size > 120_000:
                continue
            data = side.source.take(len(side.sent), size)
            side.conn.send(data, 5)
            side.sent += data
    for side, other in ((client, served), (served, client)):
        if side.has_reset:
            continue
        got, end = side.conn.read_end(5)
        want_end = FIN if other.has_ended else RST if other.has_reset else None
        assert got == bytes(other.sent), f"{len(got)} of {len(other.sent)} bytes"
        assert end == want_end
        if end == FIN and other.has_reset and not side.has_ended:
            side.conn.wait_reset(3)  # it follows the end of stream
    record = relay.record_of(client_conn)
    who = "client" if client.has_reset else "server" if served.has_reset else None
    if who is None:
        assert record["reason"] == "done"
        assert record["upload_bytes"] == len(client.sent)
        assert record["download_bytes"] == len(served.sent)
    else:
        # After both ends the session is over and nobody can see a reset any more; a server that
        # ended first and resets then has answered early.
        both = client.has_ended and served.has_ended
        allowed = {f"{who}_reset"} | ({"done"} if both or (who == "server" and served.has_ended)
                                      else set())
        assert record["reason"] in allowed, record
    for side in sides:
        side.conn.discard()


def run(culvert, splice_key, seeds):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    for seed in seeds:
        try:
            run_session(relay, server, seed)
        except AssertionError as error:
            raise AssertionError(f"session with seed {seed}: {error}") from error
    relay.wait_idle()


def test_session_fuzz(culvert, splice_key):
    run(culvert, splice_key, range(250))


@pytest.mark.soak
@pytest.mark.deadline(3600)
def test_session_fuzz_100000(culvert, splice_key):
    run(culvert, splice_key, range(1000, 51_000))
