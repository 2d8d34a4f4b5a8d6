# SPDX-License-Identifier: Apache-2.0
"""Sessions are resumed: by clients with tickets on every worker, across a restart and between two
processes that share `ticket_key_file`, and by the relay itself towards its servers. What must not
be resumed is not: without tickets, with other keys, after `session_timeout`."""
import os

import pytest

from harness.certificates import authority, server_identity
from harness.culvert import relay_to
from harness.peer import FIN, EchoServer, Listener, connect
from harness.tls import (TLS12, TLS13, TS, Plane, answer_tls, client_context, server_context,
                         start_tls)
from harness.wait import wait_until


@pytest.fixture(params=[TLS12, TLS13])
def version(request):
    return request.param


def start(culvert, workers=1, listen=None, **tls):
    tls.setdefault("cert", server_identity().pem)
    return culvert(relay_to(EchoServer(), listen={"tls": "in", **(listen or {})}, **{"tls in": tls}),
                   workers=workers)


def visit(relay, context, session=None):
    """A whole session: (whether it was resumed, what resumes it next time)."""
    client = start_tls(connect(relay.address()), context, session=session)
    client.send(b"ping")
    client.expect(b"ping")  # the tickets of TLS 1.3 come before it
    resumed, session = client.ssl.session_reused, client.ssl.session
    client.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["reason"] == "done"
    return resumed, session


def test_resumption_on_every_worker(culvert, version):
    relay = start(culvert, workers=3)
    context = client_context(version=version)
    resumed, session = visit(relay, context)
    assert not resumed
    for _ in range(12):
        resumed, session = visit(relay, context, session)
        assert resumed
    relay.wait_metric("culvert_tls_resumptions_total", 12, side="client", owner="main")
    relay.wait_metric("culvert_tls_handshakes_total", 13, side="client", owner="main",
                      result="ok")


def test_no_tickets(culvert, version):
    relay = start(culvert, session_tickets=False)
    context = client_context(version=version)
    _, session = visit(relay, context)
    assert not visit(relay, context, session)[0]


def test_session_timeout(culvert, version):
    """A ticket is good for `session_timeout`; afterwards there is a full handshake."""
    relay = start(culvert, session_timeout="1s")
    context = client_context(version=version)
    _, session = visit(relay, context)
    assert session.ticket_lifetime_hint <= 1

    def is_forgotten():
        return not visit(relay, context, session)[0]

    wait_until(is_forgotten, 5, "a full handshake again")


def test_session_timeout_off(culvert, version):
    """No time is no resumption, whatever the client offers; sessions work as ever."""
    relay = start(culvert, session_timeout="off")
    context = client_context(version=version)
    _, session = visit(relay, context)
    assert not visit(relay, context, session)[0]
    relay.wait_metric("culvert_tls_handshakes_total", 2, side="client", owner="main", result="ok")
    assert relay.metric("culvert_tls_resumptions_total", side="client", owner="main") == 0


@pytest.mark.parametrize("size", [48, 80])
def test_shared_ticket_keys(culvert, tmp_path, version, size):
    """Two processes with one key file, and a third that starts when both are gone."""
    key = tmp_path / "ticket.key"
    key.write_bytes(os.urandom(size))
    key.chmod(0o600)
    context = client_context(version=version)
    one, two = start(culvert, ticket_key_file=key), start(culvert, ticket_key_file=key)
    _, session = visit(one, context)
    resumed, session = visit(two, context, session)
    assert resumed
    resumed, session = visit(one, context, session)
    assert resumed
    assert one.stop() == two.stop() == 0
    assert visit(start(culvert, ticket_key_file=key), context, session)[0]


def test_rotated_ticket_keys(culvert, tmp_path, version):
    """The first file encrypts, all decrypt; a process that lost the key does a full handshake."""
    old, new = tmp_path / "old", tmp_path / "new"
    for path in (old, new):
        path.write_bytes(os.urandom(80))
        path.chmod(0o600)
    context = client_context(version=version)
    _, session = visit(start(culvert, ticket_key_file=old), context)
    both = start(culvert, ticket_key_file=f"{new} {old}")
    resumed, fresh = visit(both, context, session)
    assert resumed
    assert visit(start(culvert, ticket_key_file=new), context, fresh)[0]
    assert not visit(start(culvert, ticket_key_file=new), context, session)[0]


def test_other_certificate_other_tickets(culvert, tmp_path, version):
    """Random keys of another process are no good here, and neither are those of another section."""
    relay = start(culvert)
    context = client_context(version=version)
    _, session = visit(relay, context)
    assert not visit(start(culvert), context, session)[0]


def test_resumption_towards_the_server(culvert, version):
    """The relay keeps what its server gives it and resumes; each ticket of TLS 1.3 once."""
    server = Listener()
    relay = culvert(Plane(TS, version).sections(server))
    context = server_context(version=version)
    seen = []
    for _ in range(5):
        client = connect(relay.address())
        served = answer_tls(server.accept(), context)
        served.send(b"hello")
        client.expect(b"hello")
        seen.append(served.ssl.session_reused)
        client.fin()
        served.expect_end(FIN)
        served.fin()
        client.expect_end(FIN)
        assert relay.record_of(client)["reason"] == "done"
    assert seen == [False] + [True] * 4
    relay.wait_metric("culvert_tls_resumptions_total", 4, side="server")


def test_two_servers_two_sessions(culvert, version):
    """A session of one server is not offered to another."""
    servers = [Listener(), Listener()]
    relay = culvert(relay_to(servers, pool={"tls": "out", "balance": "roundrobin"}, **{
        "tls out": {"ca_file": authority().file, "server_name": "server.test",
                    "min_version": version, "max_version": version}}))
    contexts = [server_context(version=version), server_context(version=version)]
    seen = [[], []]
    for number in range(6):
        client = connect(relay.address())
        at = wait_until(lambda: next((i + 1 for i, one in enumerate(servers)
                                      if not one.nobody_came(0.002)), None), 5, "a server") - 1
        served = answer_tls(servers[at].accept(), contexts[at])
        served.send(b"hello")
        client.expect(b"hello")
        seen[at].append(served.ssl.session_reused)
        served.fin()
        client.expect_end(FIN)
        client.fin()
        served.expect_end(FIN)
    assert seen == [[False, True, True]] * 2
