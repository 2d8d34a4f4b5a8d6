# SPDX-License-Identifier: Apache-2.0
"""`starttls = postgres` byte by byte: SSLRequest is answered with S, GSSENCRequest with N, a
ClientHello without either is taken as it is; what else a client says is refused in words that its
program shows. A server that gets a session undecrypted is asked first, too."""
import struct

import pytest

from harness.certificates import server_identity
from harness.culvert import relay_to
from harness.peer import FIN, RST, Background, Listener, connect, exchange
from harness.tls import (TLS13, HandshakeFailed, TlsConn, answer_tls, client_context, server_context,
                         start_tls)

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)
STARTUP = struct.pack("!II", 41, 196608) + b"user\0postgres\0database\0postgres\0\0\0"[:33]


def terminating(culvert, server, **listen):
    return culvert(relay_to(server, listen={"tls": "in", "starttls": "postgres", **listen},
                            **{"tls in": {"cert": server_identity().pem}}))


def routing(culvert, server, **listen):
    return culvert({"listen main": {"bind": "127.0.0.1:0", "starttls": "postgres", **listen},
                    "pool pg": {"server": server.address},
                    "route pg": {"listen": "main", "sni": "server.test", "pool": "pg"}})


def finish(relay, client, served):
    exchange(client, served)
    client.fin()
    served.expect_end(FIN)
    served.fin()
    client.expect_end(FIN)
    record = relay.record_of(client)
    assert (record["reason"], record["sni"]) == ("done", "server.test")


@pytest.mark.parametrize("asks", [[SSL_REQUEST], [GSS_REQUEST, SSL_REQUEST], []],
                         ids=["ssl", "gss then ssl", "direct"])
@pytest.mark.parametrize("piece", [None, 1])
def test_terminating(culvert, asks, piece):
    server = Listener()
    relay = terminating(culvert, server)
    client = connect(relay.address())
    for ask in asks:
        for start in range(0, len(ask), piece or len(ask)):
            client.send(ask[start:start + (piece or len(ask))])
        client.expect(b"S" if ask == SSL_REQUEST else b"N")
    client = start_tls(client, client_context(alpn=["postgresql"]), piece=piece)
    finish(relay, client, server.accept())


@pytest.mark.parametrize("asks", [True, False], ids=["ssl", "direct"])
def test_routing(culvert, asks):
    """The server hears what the client said: the SSLRequest if there was one, then the very hello."""
    server = Listener()
    relay = routing(culvert, server)
    client = connect(relay.address())
    if asks:
        client.send(SSL_REQUEST)
        client.expect(b"S")
    client = TlsConn(client, client_context(version=TLS13), name="server.test")
    hello = client.hello()
    client.send_raw(hello)
    served = server.accept()
    if asks:
        served.expect(SSL_REQUEST)
        assert served.is_silent()  # the hello waits for the answer
        served.send(b"S")
    served.expect(hello)
    served = TlsConn(served, server_context(version=TLS13), server=True)
    served.incoming.write(hello)
    answering = Background(served.handshake)
    client.handshake()
    answering.result()
    finish(relay, client, served)


@pytest.mark.parametrize("answer", [b"N", b"E", b"\0", None], ids=["no", "error", "junk", "end"])
def test_server_refuses(culvert, answer):
    server = Listener()
    relay = routing(culvert, server)
    client = connect(relay.address())
    client.send(SSL_REQUEST)
    client.expect(b"S")
    client = TlsConn(client, client_context(), name="server.test")
    client.send_raw(client.hello())
    served = server.accept()
    served.expect(SSL_REQUEST)
    if answer:
        served.send(answer)
    else:
        served.fin()
    with pytest.raises(HandshakeFailed):
        client.handshake()
    got, end = served.read_end()
    assert got == b"" and end in (RST, FIN)
    record = relay.record_of(client)
    assert record["reason"] == "server_tls" and record["tls_error"]


def test_plain_startup_is_refused_in_words(culvert):
    server = Listener()
    for relay in (terminating(culvert, server), routing(culvert, server)):
        client = connect(relay.address())
        client.send(STARTUP)
        got, end = client.read_end()
        assert got[:1] == b"E" and struct.unpack("!I", got[1:5])[0] == len(got) - 1
        assert b"TLS" in got or b"SSL" in got
        assert end == FIN
        assert relay.record_of(client)["reason"] == "client_tls"
    assert server.nobody_came()


def test_bytes_behind_the_request(culvert):
    """Who speaks on before the answer may be somebody in the middle (R11): refused."""
    server = Listener()
    relay = terminating(culvert, server)
    client = connect(relay.address())
    with relay.frozen():
        client.send(SSL_REQUEST + STARTUP)
    assert client.read_end()[1] in (FIN, RST)
    assert relay.record_of(client)["reason"] == "client_tls"
    assert server.nobody_came()


def test_hello_behind_the_request(culvert):
    """Even if what he says is a hello."""
    server = Listener()
    relay = terminating(culvert, server)
    client = TlsConn(connect(relay.address()), client_context(), name="server.test")
    with relay.frozen():
        client.send_raw(SSL_REQUEST + client.hello())
    assert client.sock.fileno() >= 0
    client.read_end(3)
    assert relay.record_of(client)["reason"] == "client_tls"


def test_slow_request(culvert):
    relay = terminating(culvert, Listener(), preread_timeout="200ms")
    address = relay.address()
    with relay.frozen():
        client = connect(address)
        client.send(SSL_REQUEST[:5])
    client.expect_end(RST)
    assert relay.record_of(client)["reason"] == "client_timeout"


def test_endless_gss_requests(culvert):
    """A client that asks for the same thing again and again is sent away or runs into its time."""
    relay = terminating(culvert, Listener(), preread_timeout="500ms")
    client = connect(relay.address())
    try:
        for _ in range(1000):
            client.send(GSS_REQUEST)
            if client.read_some(1) != b"N":
                break
    except (ConnectionResetError, BrokenPipeError):
        pass
    client.read_end(3)
    assert relay.record_of(client)["reason"] in ("client_tls", "client_timeout")


def test_direct_tls_of_a_real_hello(culvert):
    """A server in TLS itself, reached by name without SSLRequest (PostgreSQL 17's direct mode)."""
    server = Listener()
    relay = culvert(relay_to(server, listen={"tls": "in", "starttls": "postgres"}, pool={"tls": "out"},
                             **{"tls in": {"cert": server_identity().pem},
                                "tls out": {"verify": "none"}}))
    client = start_tls(connect(relay.address()), client_context(alpn=["postgresql"]))
    served = server.accept()
    first = served.read(8)
    assert first == SSL_REQUEST
    served.send(b"S")
    finish(relay, client, answer_tls(served))
