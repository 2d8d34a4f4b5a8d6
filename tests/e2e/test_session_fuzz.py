# SPDX-License-Identifier: Apache-2.0
"""Random sequences of sends, urgent bytes, ends and resets from both sides, each checked against
what a direct connection would show (RS6); with TLS on one side or both, where a stream may also be
cut off, which is a reset for the other side. The seed of a failing session is in the message."""
import random

import pytest

from harness.culvert import relay_to
from harness.peer import FIN, RST, Listener, Pattern, pair, wait_acknowledged
from harness.tls import PLANES, TLS12, TLS13, Plane, TlsConn


class Side:
    def __init__(self, conn, seed):
        self.conn = conn
        self.source = Pattern(seed)
        self.sent = bytearray()
        self.has_ended = False
        self.has_reset = False
        self.was_cut = False
        self.is_tls = isinstance(conn, TlsConn)


def run_session(relay, server, seed, make_pair=pair):
    rng = random.Random(seed)
    client_conn, served_conn = make_pair(relay, server)
    client, served = Side(client_conn, 2 * seed), Side(served_conn, 2 * seed + 1)
    sides = [client, served]
    while True:
        side = rng.choice(sides)
        action = rng.choices(["send", "bulk", "urgent", "end", "reset"], [6, 1, 1, 2, 0.6])[0]
        if action == "reset":
            # Only what the relay has acknowledged survives a reset, with or without a relay.
            wait_acknowledged(side.conn)
            side.has_reset = True
            other = served if side is client else client
            # A TLS 1.2 peer that has our close_notify may close without its own (RFC 5246, 7.2.1).
            may_close = other.has_ended and side.is_tls and side.conn.version == "TLSv1.2"
            if side.is_tls and not side.has_ended and not may_close and rng.random() < 0.5:
                side.was_cut = True
                side.conn.cut()
            else:
                side.conn.rst()
            break
        if side.has_ended:
            if all(one.has_ended for one in sides):
                break
            continue
        if action == "end":
            side.conn.fin()
            side.has_ended = True
        elif action == "urgent" and side.is_tls:
            continue
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
        cut = client.was_cut or served.was_cut
        allowed = {"tls_truncated" if cut else f"{who}_reset"} | ({"done"} if both or (who == "server" and served.has_ended)
                                      else set())
        assert record["reason"] in allowed, record
    for side in sides:
        side.conn.discard()


def run(culvert, sections, server, seeds, make_pair=pair):
    relay = culvert(sections)
    for seed in seeds:
        try:
            run_session(relay, server, seed, make_pair)
        except AssertionError as error:
            raise AssertionError(f"session with seed {seed}: {error}") from error
    relay.wait_idle()


def run_plain(culvert, splice_key, seeds):
    server = Listener()
    run(culvert, relay_to(server, defaults={"splice": splice_key}), server, seeds)


def run_tls(culvert, sides, version, seeds):
    plane, server = Plane(sides, version), Listener()
    run(culvert, plane.sections(server), server, seeds, plane.pair)


def test_session_fuzz(culvert, splice_key):
    run_plain(culvert, splice_key, range(250))


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("sides", PLANES)
def test_session_fuzz_tls(culvert, sides, version):
    run_tls(culvert, sides, version, range(60))


@pytest.mark.soak
@pytest.mark.deadline(3600)
def test_session_fuzz_100000(culvert, splice_key):
    run_plain(culvert, splice_key, range(1000, 51_000))


@pytest.mark.soak
@pytest.mark.deadline(3600)
@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("sides", PLANES)
def test_session_fuzz_tls_10000(culvert, sides, version):
    run_tls(culvert, sides, version, range(1000, 11_000))
