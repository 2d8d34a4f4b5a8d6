# SPDX-License-Identifier: Apache-2.0
"""Many TLS sessions, a third of which fail in one of the ways there are: no memory and no descriptor
is left behind, and the counters add up (SO2)."""
import random

import pytest

from harness.peer import EchoServer, connect
from harness.tls import TC, TLS12, TLS13, Plane, client_context, start_tls
from harness.wait import Stopwatch, wait_until


def visit(address, rng, contexts, sessions):
    """One session of some kind."""
    kind = rng.random()
    conn = connect(address)
    if kind < 0.08:
        conn.rst()
        return
    if kind < 0.16:
        conn.send(b"\x16\x03\x01\x02\x00\x01" + bytes(rng.randrange(200)))
        conn.rst()
        return
    if kind < 0.24:
        conn.send(b"GET / HTTP/1.0\r\n\r\n")
        conn.read_end()
        conn.discard()
        return
    version = rng.choice((TLS12, TLS13))
    client = start_tls(conn, contexts[version], session=sessions.get(version) if kind > 0.5 else None)
    if kind < 0.30:
        client.rst()
        return
    client.send(b"ping")
    client.expect(b"ping")
    sessions[version] = client.ssl.session
    if kind < 0.35:
        client.cut()
    else:
        client.fin()
    client.read_end()
    client.close()


def run(culvert, count, warm, slack_kb, most_s):
    """`count` sessions, or on a slow machine as many as `most_s` has room for, a fifth at least."""
    server = EchoServer()
    sections = Plane(TC).sections(server)
    sections["tls in"].update(min_version="1.2", max_version="1.3")
    relay = culvert(sections, workers=2, log={"access": "off"})
    rng = random.Random(20261124)
    address = relay.address()  # asked for once: it costs more than a handshake
    contexts = {version: client_context(version=version) for version in (TLS12, TLS13)}
    sessions = {}
    for _ in range(warm):
        visit(address, rng, contexts, sessions)
    relay.wait_idle()
    before = relay.quiet_ledger()
    watch, least, wanted, count = Stopwatch(), count // 5, count, 0
    while count < wanted and (count < least or watch.seconds() < most_s):
        visit(address, rng, contexts, sessions)
        count += 1
    relay.wait_idle()
    wait_until(lambda: relay.ledger().fds <= before.fds, 5, "the descriptors to be as few as before")
    after = relay.quiet_ledger()
    assert after.threads == before.threads
    assert after.anonymous_kb - before.anonymous_kb <= slack_kb, (before, after)
    relay.wait_metric("culvert_connections_accepted_total", count + warm)
    relay.wait_metric("culvert_sessions_closed_total", count + warm)
    handshakes = relay.metric("culvert_tls_handshakes_total", side="client", owner="main")
    assert 0.7 * (count + warm) < handshakes <= count + warm


@pytest.mark.plain_build
def test_many_tls_sessions(culvert):
    run(culvert, 600, 300, 768, 30)


@pytest.mark.soak
@pytest.mark.plain_build
@pytest.mark.deadline(2400)
def test_a_hundred_thousand_tls_sessions(culvert):
    run(culvert, 100_000, 10_000, 1024, 900)
