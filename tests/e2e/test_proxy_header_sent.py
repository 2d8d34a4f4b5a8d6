# SPDX-License-Identifier: Apache-2.0
"""What servers are told by PROXY headers: addresses, names, TLS, the session's id; to servers of every
kind, after retries, before TLS and before a PostgreSQL server's SSLRequest."""
import pytest

from harness.certificates import authority, server_identity
from harness.culvert import relay_to
from harness.peer import FIN, RST, Background, EchoServer, Listener, connect, parse_address, refused_address
from harness.proxy_header import (ALPN, AUTHORITY, CLIENT, CRC32C, LOCAL, PROXY, SSL, SSL_CIPHER,
                                  SSL_CN, SSL_VERSION, UNIQUE_ID, read_tlvs, read_v2, v1, v2)
from harness.tls import answer_tls, client_context, start_tls

ALL = "authority alpn ssl unique_id crc32c"


def ends_of(client, relay):
    return client.sock.getsockname()[:2], parse_address(relay.address())[1][:2]


def test_version_1(culvert):
    server = Listener()
    relay = culvert(relay_to(server, pool={"send_proxy": "v1"}))
    client = connect(relay.address())
    source, destination = ends_of(client, relay)
    served = server.accept()
    served.expect(f"PROXY TCP4 {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n"
                  .encode())
    client.send(b"hello")
    served.expect(b"hello")
    served.send(b"answer")
    client.expect(b"answer")


@pytest.mark.parametrize("family", ["v4", "v6", "unix"])
def test_version_2_to_servers_of_every_family(culvert, family):
    server = Listener(family)
    relay = culvert(relay_to(server, pool={"send_proxy": "v2", "send_proxy_tlvs": "unique_id crc32c"}))
    client = connect(relay.address())
    client.send(b"hello")
    served = server.accept()
    header = read_v2(served)
    assert (header.source, header.destination) == ends_of(client, relay)
    assert (header.command, set(header.tlvs)) == (PROXY, {UNIQUE_ID, CRC32C})
    served.expect(b"hello")
    client.fin()
    served.expect_end(FIN)
    served.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["id"] == header.tlvs[UNIQUE_ID].decode()


def test_an_ipv6_client(culvert):
    server = Listener()
    relay = culvert(relay_to(server, listen={"bind": "[::1]:0"}, pool={"send_proxy": "v2"}))
    client = connect(relay.address())
    header = read_v2(server.accept())
    assert (header.source, header.destination) == ends_of(client, relay)


def test_a_builtin_server_gets_it_as_bytes(culvert):
    relay = culvert(relay_to("builtin:echo", pool={"send_proxy": "v1"}))
    client = connect(relay.address())
    source, destination = ends_of(client, relay)
    client.expect(f"PROXY TCP4 {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n"
                  .encode())


def test_after_a_retry(culvert):
    server = Listener()
    sections = relay_to(server, pool={"send_proxy": "v2", "balance": "first"})
    (pool,) = [sections[key] for key in sections if key.startswith("pool ")]
    pool["server"] = [f"dead {refused_address()}", f"live {server.address}"]
    relay = culvert(sections)
    client = connect(relay.address())
    client.send(b"hello")
    served = server.accept()
    assert read_v2(served).source == client.sock.getsockname()
    served.expect(b"hello")
    served.rst()
    client.wait_reset()
    assert relay.record_of(client)["retries"] == 1


def test_what_a_trusted_proxy_told_is_told_on(culvert):
    server = Listener()
    relay = culvert(relay_to(server, listen={"accept_proxy": "required"}, pool={"send_proxy": "v2"}))
    for header, command, source in ((v1(), PROXY, ("192.0.2.1", 50000)),
                                    (v2(b"", command=LOCAL, family=0), LOCAL, None),
                                    (v2(command=LOCAL), LOCAL, None)):
        client = connect(relay.address())
        client.send(header + b"x")
        served = server.accept()
        told = read_v2(served)
        assert (told.command, told.source) == (command, source)
        served.expect(b"x")
    client = connect(relay.address())
    client.send(v1("UNKNOWN"))
    assert read_v2(server.accept()).source == client.sock.getsockname()


def test_a_chain_of_two(culvert):
    server = EchoServer()
    last = culvert(relay_to(server, listen={"accept_proxy": "required",
                                            "trusted_proxies": "127.0.0.0/8"}))
    first = culvert(relay_to(last.address(), listen={"accept_proxy": "required"},
                             pool={"send_proxy": "v2", "send_proxy_tlvs": ALL}))
    client = connect(first.address())
    client.send(v1() + b"hello")
    client.expect(b"hello")
    (session,) = last.sessions()
    assert session["client"] == CLIENT


def with_tls(server, *, pool=None, **tls):
    return relay_to(server, listen={"tls": "in"}, pool=pool,
                    **{"tls in": {"cert": server_identity().pem, **tls}})


def test_tls_with_the_client(culvert):
    server = Listener()
    relay = culvert(with_tls(server, pool={"send_proxy": "v2", "send_proxy_tlvs": ALL}, alpn="h2"))
    client = start_tls(connect(relay.address()), client_context(alpn=["h2"]))
    header = read_v2(server.accept())
    assert (header.tlvs[AUTHORITY], header.tlvs[ALPN]) == (b"server.test", b"h2")
    assert header.tlvs[SSL][:5] == b"\1\0\0\0\1"
    inner = read_tlvs(header.tlvs[SSL][5:])
    assert inner[SSL_VERSION] == b"TLSv1.3" and inner[SSL_CIPHER].startswith(b"TLS_")
    assert SSL_CN not in inner
    client.discard()


def test_a_certificate_of_the_client(culvert):
    server = Listener()
    relay = culvert(with_tls(server, pool={"send_proxy": "v2", "send_proxy_tlvs": "ssl"},
                             verify="required", ca_file=authority().file))
    identity = authority().issue("uri:spiffe://test/client", cn="al")
    start_tls(connect(relay.address()), client_context(identity=identity))
    header = read_v2(server.accept())
    assert header.tlvs[SSL][:5] == b"\7\0\0\0\0"
    assert read_tlvs(header.tlvs[SSL][5:])[SSL_CN] == b"al"


def test_what_does_not_fit_is_not_sent(culvert):
    """A client whose certificate's name makes the header too long: no session, and the server hears
    not a byte, neither of a header that is cut nor of one whose length ran over (PP32)."""
    server = Listener()
    relay = culvert(with_tls(server, pool={"send_proxy": "v2", "send_proxy_tlvs": ALL},
                             verify="required", ca_file=authority().file,
                             session_tickets=False))  # no ticket holds so large a certificate

    def dial(length):
        identity = authority().issue("uri:spiffe://test/client", cn="a" * length)
        return start_tls(connect(relay.address()), client_context(identity=identity))

    for length in (1000, 4096, 65400, 65534, 65535, 65536, 66000, 90000):
        client = dial(length)
        served = server.accept()
        assert served.read_end() == (b"", RST), length
        assert client.read_end()[0] == b"", length
        log = relay.record_of(client)
        assert (log["reason"], log["phase"], log["upload_bytes"]) == (
            "bad_proxy_header", "connect", 0), log
        assert log["proxy_error"] == "what is to be told does not fit"
    for length in (1, 64, 800):
        client = dial(length)
        inner = read_tlvs(read_v2(server.accept()).tlvs[SSL][5:])
        assert inner[SSL_CN] == b"a" * length
        client.discard()


def test_plain_clients_have_nothing_of_tls(culvert):
    server = Listener()
    relay = culvert(relay_to(server, pool={"send_proxy": "v2", "send_proxy_tlvs": ALL}))
    connect(relay.address())
    assert set(read_v2(server.accept()).tlvs) == {UNIQUE_ID, CRC32C}


def test_before_the_servers_tls(culvert):
    server = Listener()
    sections = relay_to(server, pool={"send_proxy": "v2", "tls": "out"},
                        **{"tls out": {"ca_file": authority().file, "server_name": "server.test"}})
    relay = culvert(sections)
    client = connect(relay.address())
    served = server.accept()
    assert read_v2(served).source == client.sock.getsockname()
    served = answer_tls(served)
    client.send(b"hello")
    served.expect(b"hello")


def test_in_front_of_tls(culvert):
    """A header, then TLS that culvert terminates, in one segment and byte by byte."""
    server = EchoServer()
    sections = with_tls(server)
    sections["listen main"].update(accept_proxy="required", trusted_proxies="127.0.0.0/8")
    relay = culvert(sections)
    for cut in (len(v1()), 1):
        client = connect(relay.address())
        for at in range(0, len(v1()), cut):
            client.send(v1()[at:at + cut])
        client = start_tls(client)
        client.send(b"hello")
        client.expect(b"hello")
        (session,) = [one for one in relay.sessions() if one["phase"] == "relay"]
        assert (session["client"], session["tls"]) == (CLIENT, "TLSv1.3")
        client.discard()
        relay.wait_idle()


def test_in_front_of_a_hello_and_an_sslrequest(culvert):
    """PostgreSQL's way to TLS behind a header, relayed by name: the server hears its own header,
    then the client's SSLRequest."""
    request = b"\0\0\0\x08\x04\xd2\x16\x2f"
    server = Listener()
    sections = {
        "listen main": {"bind": "127.0.0.1:0", "starttls": "postgres", "accept_proxy": "required"},
        "route named": {"listen": "main", "sni": "server.test", "pool": "db"},
        "pool db": {"server": server.address, "send_proxy": "v2", "send_proxy_tlvs": "authority"},
    }
    relay = culvert(sections)
    client = connect(relay.address())
    client.send(v1() + request)
    client.expect(b"S")
    shaking = Background(lambda: start_tls(client))
    served = server.accept()
    header = read_v2(served)
    assert (header.source, header.tlvs[AUTHORITY]) == (("192.0.2.1", 50000), b"server.test")
    served.expect(request)
    served.send(b"S")
    served = answer_tls(served)
    client = shaking.result()
    client.send(b"hello")
    served.expect(b"hello")
