# SPDX-License-Identifier: Apache-2.0
"""Client certificates: `verify` required and optional, `allow_san` by each kind of name, revoked,
expired, foreign and missing ones. Who is denied is named in the record and reaches no server; the
certificate is judged again when a session is resumed."""
import pytest

from harness.certificates import authority, other_authority, server_identity
from harness.culvert import relay_to
from harness.peer import FIN, RST, NamedServer, connect
from harness.tls import TLS12, TLS13, TRUNCATED, HandshakeFailed, client_context, start_tls

SPIFFE = "uri:spiffe://test.example/ns/web/sa/front"


@pytest.fixture(scope="module")
def who():
    ca = authority()
    return {
        "front": ca.issue(SPIFFE, cn="front"),
        "back": ca.issue("uri:spiffe://test.example/ns/web/sa/back", cn="back"),
        "dns": ca.issue("client.example.test", cn="by name"),
        "ip": ca.issue("ip:192.0.2.7", cn="by address"),
        "cn": ca.issue("unrelated.test", cn="the-common-name"),
        "expired": ca.issue(SPIFFE, cn="too old", begins=-20, ends=-1),
        "early": ca.issue(SPIFFE, cn="too new", begins=1, ends=30),
        "revoked": ca.issue(SPIFFE, cn="revoked"),
        "foreign": other_authority().issue(SPIFFE, cn="foreign"),
        "nobody": None,
    }


@pytest.fixture(params=[TLS12, TLS13])
def version(request):
    return request.param


def start(culvert, server, **tls):
    whole = {"cert": server_identity().pem, "ca_file": authority().file, "verify": "required", **tls}
    return culvert(relay_to(server, listen={"tls": "in"}, **{"tls in": whole}))


def check_allowed(relay, identity, version):
    client = start_tls(connect(relay.address()), client_context(version=version, identity=identity))
    client.expect(b"inside\n")
    client.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["reason"] == "done"


def check_denied(relay, server, identity, version, *words):
    """The client is refused without a clean end, the server hears nothing, the record says who it was."""
    before = server.total
    client = connect(relay.address())
    reason = None
    try:
        # In TLS 1.3 the client is done before the relay has looked at its certificate.
        tls = start_tls(client, client_context(version=version, identity=identity))
        got, end = tls.read_end()
        assert got == b"" and end != FIN
        reason = tls.broken or end
        client = tls
    except HandshakeFailed as failure:
        reason = failure.reason
    assert reason in (RST, TRUNCATED) or "ALERT" in reason, reason
    record = relay.record_of(client)
    assert (record["reason"], record["phase"], record["server"]) == ("client_tls", "handshake", "")
    for word in words:
        assert word.lower() in record["tls_error"].lower(), record["tls_error"]
    assert server.total == before
    return reason


def test_required(culvert, who, version):
    server = NamedServer("inside")
    relay = start(culvert, server, crl_file=authority().revoke(who["revoked"]))
    for name in ("front", "back", "dns", "ip", "cn"):
        check_allowed(relay, who[name], version)
    check_denied(relay, server, who["expired"], version, "expired")
    check_denied(relay, server, who["early"], version, "not yet valid")
    check_denied(relay, server, who["revoked"], version, "revoked")
    check_denied(relay, server, who["foreign"], version)
    check_denied(relay, server, who["nobody"], version, "certificate")
    relay.wait_metric("culvert_sessions_closed_total", 5, reason="client_tls")


def test_optional(culvert, who, version):
    server = NamedServer("inside")
    relay = start(culvert, server, verify="optional")
    check_allowed(relay, who["front"], version)
    check_allowed(relay, who["nobody"], version)
    check_denied(relay, server, who["foreign"], version)
    check_denied(relay, server, who["expired"], version, "expired")


@pytest.mark.parametrize("allowed,inside", [
    (SPIFFE, {"front"}),
    ("uri:spiffe://test.example/ns/web/sa/*", {"front", "back"}),
    ("dns:client.example.test", {"dns"}),
    ("dns:*.example.test", {"dns"}),
    ("ip:192.0.2.7", {"ip"}),
    ("cn:the-common-name", {"cn"}),
    ([SPIFFE, "ip:192.0.2.7"], {"front", "ip"}),
], ids=lambda one: one if isinstance(one, str) else None)
def test_allow_san(culvert, who, allowed, inside):
    server = NamedServer("inside")
    relay = start(culvert, server, allow_san=allowed)
    for name in ("front", "back", "dns", "ip", "cn"):
        if name in inside:
            check_allowed(relay, who[name], TLS13)
        else:
            identity = {"front": "spiffe://test.example/ns/web/sa/front",
                        "back": "spiffe://test.example/ns/web/sa/back",
                        "dns": "client.example.test", "ip": "192.0.2.7"}.get(name, "")
            check_denied(relay, server, who[name], TLS13, identity)


def test_optional_with_allow_san(culvert, who, version):
    """A list of names is no use for somebody who shows none: that is denied, too."""
    server = NamedServer("inside")
    relay = start(culvert, server, verify="optional", allow_san=SPIFFE)
    check_allowed(relay, who["front"], version)
    check_denied(relay, server, who["back"], version, "sa/back")


def test_hostile_names(culvert, version):
    """A denied name cannot break the line it is logged in."""
    server = NamedServer("inside")
    relay = start(culvert, server, allow_san=SPIFFE)
    bad = authority().issue("uri:spiffe://test.example/\n{\"event\":\"fake\"}", cn="a\nb\x1b[31m")
    check_denied(relay, server, bad, version)
    assert all("text" not in one for one in relay.records()), "a line that is no record"
    assert not [one for one in relay.records() if one.get("event") == "fake"]


def test_resumption_is_judged_again(culvert, who, version):
    """The ticket of an allowed client does not open the door of another listener with other rules,
    and not its own listener's once the client would be refused (R9)."""
    server = NamedServer("inside")
    tickets = {"cert": server_identity().pem, "ca_file": authority().file, "verify": "required"}
    sections = relay_to(server, listen={"tls": "open"}, **{
        "listen strict": {"bind": "127.0.0.1:0", "tls": "strict", "server": server.address},
        "tls open": tickets, "tls strict": {**tickets, "allow_san": SPIFFE}})
    relay = culvert(sections)
    context = client_context(version=version, identity=who["back"])
    client = start_tls(connect(relay.address()), context)
    client.expect(b"inside\n")
    session = client.ssl.session
    client.fin()
    client.expect_end(FIN)
    total = server.total
    try:
        again = start_tls(connect(relay.address("strict")), context, session=session)
        got, end = again.read_end()
        assert (got, again.ssl.session_reused) == (b"", False) and end != FIN
    except HandshakeFailed:
        pass
    assert server.total == total
