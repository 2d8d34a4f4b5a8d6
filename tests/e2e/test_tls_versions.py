# SPDX-License-Identifier: Apache-2.0
"""Versions, ciphers, groups and protocols: what the configuration allows is agreed on, all else is
refused with a reason. No renegotiation, no compression, nothing older than TLS 1.2."""
import ctypes
import ssl

import pytest

from harness.certificates import authority, server_identity
from harness.culvert import relay_to
from harness.peer import FIN, RST, EchoServer, Listener, connect
from harness.tls import (BROKEN, TLS12, TLS13, HandshakeFailed, answer_tls, client_context,
                         libssl, old_client_context, server_context, ssl_pointer, start_tls)


def start(culvert, **tls):
    tls.setdefault("cert", server_identity().pem)
    return culvert(relay_to(EchoServer(), listen={"tls": "in"}, **{"tls in": tls}))


def served(relay, context):
    client = start_tls(connect(relay.address()), context)
    client.send(b"ping")
    client.expect(b"ping")
    client.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["tls"] == client.version
    return client


def refused(relay, context, *reasons):
    """The client sees one of `reasons` and the record says why."""
    client = connect(relay.address())
    with pytest.raises(HandshakeFailed) as failure:
        start_tls(client, context)
    assert failure.value.reason in reasons
    record = relay.record_of(client)
    assert (record["reason"], record["phase"]) == ("client_tls", "handshake"), record
    assert record["tls_error"]
    return record


def test_default_versions(culvert):
    relay = start(culvert)
    assert served(relay, client_context()).version == "TLSv1.3"
    assert served(relay, client_context(version=TLS12)).version == "TLSv1.2"
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        record = refused(relay, old_client_context(version), "TLSV1_ALERT_PROTOCOL_VERSION")
        assert "protocol" in record["tls_error"].lower()


def test_min_version(culvert):
    relay = start(culvert, min_version="1.3")
    assert served(relay, client_context()).version == "TLSv1.3"
    refused(relay, client_context(version=TLS12), "TLSV1_ALERT_PROTOCOL_VERSION")


def test_max_version(culvert):
    relay = start(culvert, max_version="1.2")
    assert served(relay, client_context()).version == "TLSv1.2"
    refused(relay, client_context(version=TLS13), "TLSV1_ALERT_PROTOCOL_VERSION")


def test_ciphers(culvert):
    relay = start(culvert, ciphers="ECDHE-ECDSA-CHACHA20-POLY1305",
                  ciphersuites="TLS_CHACHA20_POLY1305_SHA256")
    assert served(relay, client_context(version=TLS12)).ssl.cipher()[0] == \
        "ECDHE-ECDSA-CHACHA20-POLY1305"
    assert served(relay, client_context(version=TLS13)).ssl.cipher()[0] == \
        "TLS_CHACHA20_POLY1305_SHA256"
    record = refused(relay, client_context(version=TLS12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"),
                     "SSLV3_ALERT_HANDSHAKE_FAILURE")
    assert "no shared cipher" in record["tls_error"]


def test_groups(culvert):
    relay = start(culvert, groups="P-384")
    context = client_context(version=TLS12)
    context.set_ecdh_curve("prime256v1")
    refused(relay, context, "SSLV3_ALERT_HANDSHAKE_FAILURE")
    context = client_context()
    context.set_ecdh_curve("secp384r1")
    served(relay, context)


def test_alpn(culvert):
    """The listener's order counts; who offers nothing known is refused (RFC 7301, 3.2), who offers
    nothing is not."""
    relay = start(culvert, alpn="h2 http/1.1")
    for offered, agreed in ((["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"), (None, None)):
        client = served(relay, client_context(alpn=offered))
        assert client.ssl.selected_alpn_protocol() == agreed
    refused(relay, client_context(alpn=["imap"]), "TLSV1_ALERT_NO_APPLICATION_PROTOCOL")


def test_no_alpn_configured(culvert):
    relay = start(culvert)
    assert served(relay, client_context(alpn=["h2"])).ssl.selected_alpn_protocol() is None


def test_renegotiation_is_refused(culvert):
    """TLS 1.2: a client that starts another handshake does not get one (SL5)."""
    relay = start(culvert)
    client = start_tls(connect(relay.address()), client_context(version=TLS12))
    client.send(b"before")
    client.expect(b"before")
    client.renegotiate()
    got, end = client.read_end(3)
    assert got == b""
    assert end in (BROKEN, RST) or client.broken == "NO_RENEGOTIATION"


def test_renegotiation_by_the_server_is_refused(culvert):
    server = Listener()
    relay = culvert(relay_to(server, pool={"tls": "out"}, **{
        "tls out": {"ca_file": authority().file, "server_name": "server.test"}}))
    client = connect(relay.address())
    served = answer_tls(server.accept(), server_context(version=TLS12))
    served.send(b"before")
    client.expect(b"before")
    served.renegotiate()
    got, end = served.read_end(3)
    assert got == b""
    assert end in (BROKEN, RST) or served.broken == "NO_RENEGOTIATION"
    client.rst()


def test_no_compression(culvert):
    relay = start(culvert)
    context = client_context(version=TLS12)
    context.options &= ~ssl.OP_NO_COMPRESSION
    assert served(relay, context).ssl.compression() is None


def test_early_data_is_not_offered(culvert):
    """Session tickets carry no permission for 0-RTT data (SL5)."""
    relay = start(culvert)
    client = served(relay, client_context(version=TLS13))
    session = client.ssl.session
    assert session is not None and session.has_ticket
    library = libssl()
    library.SSL_SESSION_get_max_early_data.restype = ctypes.c_uint32
    library.SSL_SESSION_get_max_early_data.argtypes = [ctypes.c_void_p]
    library.SSL_get_session.restype = ctypes.c_void_p
    library.SSL_get_session.argtypes = [ctypes.c_void_p]
    assert library.SSL_SESSION_get_max_early_data(
        library.SSL_get_session(ssl_pointer(client.ssl))) == 0
