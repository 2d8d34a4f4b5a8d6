# SPDX-License-Identifier: Apache-2.0
"""TLS towards servers: who they are is verified unless somebody says otherwise. A wrong name, an
unknown authority, an expired certificate, no TLS at all, silence: the session ends as `server_tls`
with OpenSSL's text, the client is refused and no byte of it reached the server."""

import pytest

from harness.certificates import authority, other_authority
from harness.culvert import relay_to
from harness.peer import FIN, RST, Listener, connect, exchange
from harness.tls import TLS12, TLS13, TT, HandshakeFailed, Plane, answer_tls, server_context
from harness.wait import Stopwatch

OUT = {"ca_file": authority().file, "server_name": "server.test"}


def start(culvert, server, pool=None, listen=None, env=None, **tls):
    whole = {key: value for key, value in {**OUT, **tls}.items() if value is not None}
    return culvert(relay_to(server, listen=listen, pool={"tls": "out", **(pool or {})},
                            **{"tls out": whole}), env=env)


def check_refused(relay, server, context, *words, client_end=RST):
    """The relay refuses what the server shows."""
    client = connect(relay.address())
    client.send(b"secret")
    served = server.accept()
    with pytest.raises(HandshakeFailed) as failure:
        answer_tls(served, context)
        # In TLS 1.3 a server may be done before its certificate is judged.
        raise HandshakeFailed("a session") if served.read_end()[0] else HandshakeFailed(RST)
    client.expect_end(client_end)
    record = relay.record_of(client)
    assert (record["reason"], record["phase"], record["upload_bytes"]) == ("server_tls", "connect", 0)
    for word in words:
        assert word.lower() in record["tls_error"].lower(), record["tls_error"]
    return failure.value.reason


def check_served(relay, server, context, name="server.test"):
    client = connect(relay.address())
    served = answer_tls(server.accept(), context)
    exchange(client, served)
    client.fin()
    served.expect_end(FIN)
    served.fin()
    client.expect_end(FIN)
    record = relay.record_of(client)
    assert (record["reason"], record["server_tls"], record["tls"]) == \
        ("done", served.version, "")
    return served


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_verification(culvert, version):
    server = Listener()
    relay = start(culvert, server)
    check_served(relay, server, server_context(version=version))
    bad = {
        authority().issue("other.test"): ["host", "name", "mismatch"],
        authority().issue("server.test", begins=-20, ends=-1): ["certificate has expired"],
        authority().issue("server.test", begins=1): ["not yet valid"],
        other_authority().issue("server.test"): ["certificate"],
        authority().issue(cn="server.test.evil.test"): ["mismatch"],
    }
    for identity, words in bad.items():
        check_refused(relay, server, server_context(identity, version=version), *words)
    check_served(relay, server, server_context(version=version))
    relay.wait_metric("culvert_connects_total", len(bad), result="tls")
    relay.wait_metric("culvert_tls_handshakes_total", len(bad), side="server", result="failed")


def test_system_store_is_the_default(culvert, tmp_path):
    """Without `ca_file` the system's store counts; it does not know our authority."""
    server = Listener()
    relay = start(culvert, server, ca_file=None)
    check_refused(relay, server, server_context(), "certificate")
    relay = start(culvert, server, ca_file=None, env={"SSL_CERT_FILE": authority().file})
    check_served(relay, server, server_context())


def test_verify_none(culvert):
    server = Listener()
    relay = start(culvert, server, verify="none", ca_file=None, server_name=None)
    check_served(relay, server, server_context(other_authority().issue("whoever.test")))


def test_name_of_the_server_line(culvert):
    """`server_name` of the line, else the section's, else the host of its address: sent as SNI when
    it is a name, verified in any case."""
    server = Listener()
    names = []
    context = server_context()
    context.sni_callback = lambda conn, name, context: names.append(name)
    by_address = start(culvert, server, server_name=None)
    check_served(by_address, server, context)  # the certificate has ip:127.0.0.1
    by_line = start(culvert, f"s {server.address} server_name=server.test", server_name=None)
    check_served(by_line, server, context)
    by_host = start(culvert, f"localhost:{server.port}", server_name=None)
    check_refused(by_host, server, context, "mismatch")
    assert names == [None, "server.test", "localhost"]


def test_allow_san_towards_servers(culvert):
    server = Listener()
    relay = start(culvert, server, allow_san="uri:spiffe://test/db")
    good = authority().issue("server.test", "uri:spiffe://test/db")
    check_served(relay, server, server_context(good))
    check_refused(relay, server, server_context(), "server.test")


def test_revoked_server(culvert):
    server = Listener()
    revoked = authority().issue("server.test")
    relay = start(culvert, server, crl_file=authority().revoke(revoked))
    check_served(relay, server, server_context())
    check_refused(relay, server, server_context(revoked), "revoked")


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_client_certificate(culvert, version):
    server = Listener()
    own = authority().issue("uri:spiffe://test/relay")
    relay = start(culvert, server, cert=own.cert, key=own.key)
    served = check_served(relay, server, server_context(version=version, trust=authority()))
    assert served.peer_certificate == own.der
    # In TLS 1.3 our handshake is done before the server has looked at the certificate.
    client = connect(relay.address())
    with pytest.raises(HandshakeFailed):
        answer_tls(server.accept(), server_context(version=version, trust=other_authority()))
    client.expect_end(RST)
    record = relay.record_of(client)
    assert (record["reason"], record["phase"]) == \
        ("server_tls", "relay" if version == TLS13 else "connect")
    assert "unknown ca" in record["tls_error"]


def test_alpn(culvert):
    server = Listener()
    relay = start(culvert, server, alpn="h2 http/1.1")
    served = check_served(relay, server, server_context(alpn=["http/1.1"]))
    assert served.ssl.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("bytes_first", [b"220 smtp.test ESMTP\r\n", b"HTTP/1.1 400 no\r\n\r\n",
                                         b"\0" * 100, b"\x15\x03\x03\x00\x02\x02\x28"],
                         ids=["smtp", "http", "zeroes", "alert"])
def test_no_tls_at_all(culvert, bytes_first):
    """Plain bytes before the handshake are an error, never data (R11)."""
    server = Listener()
    relay = start(culvert, server)
    client = connect(relay.address())
    served = server.accept()
    served.send(bytes_first)
    client.expect_end(RST)
    record = relay.record_of(client)
    assert record["reason"] == "server_tls" and record["tls_error"]
    assert record["download_bytes"] == 0


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_server_leaves_in_the_handshake(culvert, how):
    server = Listener()
    relay = start(culvert, server)
    client = connect(relay.address())
    served = server.accept()
    served.read_some()
    getattr(served, how)()
    client.expect_end(RST)
    assert relay.record_of(client)["reason"] == "server_tls"


def test_silent_server(culvert):
    server = Listener()
    relay = start(culvert, server, listen={"handshake_timeout": "200ms"})
    watch = Stopwatch()
    client = connect(relay.address())
    server.accept()
    client.expect_end(RST)
    assert 0.19 < watch.seconds()
    record = relay.record_of(client)
    assert record["reason"] == "server_tls"
    relay.wait_metric("culvert_tls_handshakes_total", 1, side="server", result="timeout")


def test_client_leaves_meanwhile(culvert):
    """A client that goes while its server's handshake hangs takes the session with it."""
    server = Listener()
    relay = start(culvert, server)
    client = connect(relay.address())
    served = server.accept()
    served.read_some()
    client.rst()
    assert served.read_end()[1] == RST
    assert relay.record_of(client)["reason"] == "client_left"


def test_client_ends_meanwhile(culvert):
    """A FIN is no departure: bytes and end wait in the kernel until the handshake is done."""
    server = Listener()
    relay = start(culvert, server)
    client = connect(relay.address())
    client.send(b"early")
    client.fin()
    served = answer_tls(server.accept())
    served.expect_end(FIN, b"early")
    served.send(b"answer")
    served.fin()
    client.expect_end(FIN, b"answer")
    assert relay.record_of(client)["reason"] == "done"


def test_tls_client_of_a_bad_server(culvert):
    """A client whose own handshake is done is reset, without a close_notify that would vouch."""
    plane, server = Plane(TT, TLS13), Listener()
    relay = culvert(plane.sections(server))
    client = plane.dial(relay)
    with pytest.raises(HandshakeFailed):
        answer_tls(server.accept(), server_context(other_authority().issue("server.test")))
        raise HandshakeFailed("later")
    assert client.read_end() == (b"", RST)
    record = relay.record_of(client)
    assert (record["reason"], record["tls"]) == ("server_tls", "TLSv1.3")


def test_when_down_close(culvert):
    server = Listener()
    relay = start(culvert, server, listen={"when_down": "close"})
    check_refused(relay, server, server_context(other_authority().issue("server.test")),
                  client_end=FIN)


def test_failing_servers_are_ejected(culvert):
    """A server whose handshakes fail counts as one whose connects fail."""
    bad, good = Listener(), Listener()
    relay = start(culvert, [f"bad {bad.address}", f"good {good.address}"],
                  pool={"balance": "first", "max_fails": 2, "fail_timeout": "1m"})
    for _ in range(2):
        client = connect(relay.address())
        bad.accept().fin()
        client.expect_end(RST)
    client = connect(relay.address())
    exchange(client, answer_tls(good.accept()))
    client.rst()
    relay.wait_record(lambda one: one.get("event") == "server_state" and one.get("server") == "bad",
                      3, "the ejection")
