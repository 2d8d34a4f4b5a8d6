# SPDX-License-Identifier: Apache-2.0
"""Real programs at the other end of each role: openssl s_client and s_server, curl, nginx and
HAProxy, in TLS 1.2 and 1.3."""
import hashlib

import pytest

from harness import programs
from harness.certificates import authority, server_identity
from harness.culvert import relay_to
from harness.peer import FIN, Background, EchoServer, Listener, connect, parse_address, pattern, reading
from harness.tls import TC, TLS13, TS, Plane, start_tls
from harness.wait import wait_until

pytestmark = [pytest.mark.programs, programs.needs("openssl", "curl", "nginx", "haproxy")]

VERSIONS = [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")]


def terminating(culvert, server, **tls):
    tls.setdefault("cert", server_identity().pem)
    return culvert(relay_to(server, listen={"tls": "in"}, **{"tls in": tls}))


def port_of(relay):
    return parse_address(relay.address())[1][1]


TRUSTING = ("-CAfile", authority().file, "-verify_return_error", "-servername", "server.test",
            "-verify_hostname", "server.test")


@pytest.mark.parametrize("flag,version", VERSIONS)
def test_s_client(culvert, tmp_path, flag, version):
    """An echo, a resumed echo, and an end that s_client makes clean."""
    relay = terminating(culvert, EchoServer())
    session = str(tmp_path / "session")
    for words, want in ((("-sess_out", session), b"New, TLS"), (("-sess_in", session), b"Reused, TLS")):
        with programs.SClient(relay.address(), flag, *TRUSTING, *words) as client:
            client.expect(want)
            client.type(b"through the relay\n")
            client.expect(b"\nthrough the relay\n")
            told, code = client.end()
            assert code == 0 and b"Verify return code: 0 (ok)" in told
    wait_until(lambda: len(relay.session_records()) == 2, 5, "two records")
    records = relay.session_records()
    assert [(one["reason"], one["tls"], one["sni"]) for one in records] == \
        [("done", version, "server.test")] * 2


def test_s_client_renews_keys(culvert):
    """'k' and 'K' at the start of a line: a key update, and one that asks for another."""
    relay = terminating(culvert, EchoServer())
    with programs.SClient(relay.address(), "-tls1_3", *TRUSTING) as client:
        client.expect(b"New, TLS")
        for number, command in enumerate((b"k\n", b"K\n", b"K\n", b"k\n")):
            client.type(command)
            client.expect(b"KEYUPDATE")
            client.told = b""
            line = b"line %d\n" % number
            client.type(line)
            client.expect(line)
    assert relay.only_record()["upload_bytes"] == 28


def test_s_client_certificate(culvert):
    """mTLS with a certificate from a file, and without it."""
    own = authority().issue("uri:spiffe://test/client")
    relay = terminating(culvert, EchoServer(), ca_file=authority().file, verify="required",
                        allow_san="uri:spiffe://test/*")
    for flag, _ in VERSIONS:
        with programs.SClient(relay.address(), flag, *TRUSTING, "-cert", own.cert, "-key",
                              own.key) as client:
            client.expect(b"Verify return code: 0 (ok)")
            client.type(b"let me in\n")
            client.expect(b"\nlet me in\n")
            assert client.end()[1] == 0
        with programs.SClient(relay.address(), flag, *TRUSTING) as client:
            client.expect(b"alert")
    wait_until(lambda: len(relay.session_records()) == 4, 5, "four records")
    assert sorted(one["reason"] for one in relay.session_records()) == \
        ["client_tls"] * 2 + ["done"] * 2


@pytest.mark.parametrize("flag,version", VERSIONS)
def test_s_server(culvert, tmp_path, flag, version):
    """As a client of s_server, with a client certificate and resumed sessions."""
    own = authority().issue("uri:spiffe://test/relay")
    with programs.s_server(tmp_path, server_identity(), flag, "-Verify", "1", "-CAfile",
                           authority().file, "-verify_return_error") as address:
        relay = culvert(relay_to(address, pool={"tls": "out"}, **{"tls out": {
            "ca_file": authority().file, "server_name": "server.test", "cert": own.pem}}))
        for _ in range(3):
            client = connect(relay.address())
            client.send(b"abc\n")
            client.expect(b"cba\n")
            client.fin()
            client.read_end()
            record = relay.record_of(client)
            assert record["server_tls"] == version and record["download_bytes"] == 4
            assert record["reason"] in ("done", "tls_truncated", "server_reset"), record


def curl(relay, path, *words):
    port = port_of(relay)
    return programs.run("curl", "-sS", "--cacert", authority().file, "--resolve",
                        f"server.test:{port}:127.0.0.1", *words, f"https://server.test:{port}{path}")


def test_curl_to_nginx(culvert, tmp_path):
    """curl speaks TLS to the relay, the relay plain HTTP to nginx: bodies both ways, many requests
    on one connection."""
    body = pattern(10_000_000)
    (tmp_path / "file").write_bytes(body)
    with programs.nginx_http(tmp_path, locations=(
            "location = /upload { proxy_pass http://unix:{path}:/hello; }")) as path:
        relay = terminating(culvert, f"unix:{path}", alpn="http/1.1")
        assert curl(relay, "/hello") == "hello"
        assert curl(relay, "/hello", "--tlsv1.2", "--tls-max", "1.2") == "hello"
        out = tmp_path / "out"
        curl(relay, "/file", "-o", str(out))
        assert hashlib.sha256(out.read_bytes()).digest() == hashlib.sha256(body).digest()
        assert curl(relay, "/upload", "--data-binary", f"@{tmp_path}/file") == "hello"
        wait_until(lambda: len(relay.session_records()) == 4, 5, "four records")
        assert {one["reason"] for one in relay.session_records()} <= {"done", "client_reset"}
        assert [one["tls"] for one in relay.session_records()][:2] == ["TLSv1.3", "TLSv1.2"]


def test_curl_to_nginx_with_tls(culvert, tmp_path):
    """curl speaks HTTP to the relay, the relay TLS to nginx, which wants a client certificate. nginx
    answers the end of a kept-alive connection with a FIN without close_notify, so `truncation` says
    whether that is an end."""
    body = pattern(10_000_000)
    (tmp_path / "file").write_bytes(body)
    own, identity = authority().issue("uri:spiffe://test/relay"), server_identity()
    more = (f"ssl_certificate {identity.cert}; ssl_certificate_key {identity.key}; "
            f"ssl_protocols TLSv1.2 TLSv1.3; "
            f"ssl_client_certificate {authority().file}; ssl_verify_client on;")
    with programs.nginx_http(tmp_path, listen="ssl", more=more) as path:
        relay = culvert(relay_to(f"unix:{path}", pool={"tls": "out"}, **{"tls out": {
            "ca_file": authority().file, "server_name": "server.test", "cert": own.pem,
            "alpn": "http/1.1", "truncation": "lenient"}}))
        base = f"http://{relay.address()}"
        assert programs.run("curl", "-sS", *[base + "/hello"] * 3) == "hello" * 3
        out = tmp_path / "out"
        programs.run("curl", "-sS", "-o", str(out), base + "/file")
        assert hashlib.sha256(out.read_bytes()).digest() == hashlib.sha256(body).digest()
        wait_until(lambda: len(relay.session_records()) == 2, 5, "two records")
        records = relay.session_records()
        assert {one["server_tls"] for one in records} == {"TLSv1.3"}
        assert {one["reason"] for one in records} <= {"done", "client_reset"}, records


def test_nginx_before(culvert, tmp_path):
    """nginx proxies to https on the relay and verifies it."""
    with programs.nginx_http(tmp_path) as inner:
        relay = terminating(culvert, f"unix:{inner}")
        front = tmp_path / "front"
        front.mkdir()
        with programs.nginx_http(front, locations=(
                "location /through { proxy_pass https://" + relay.address() + "/hello; "
                "proxy_ssl_verify on; proxy_ssl_trusted_certificate " + authority().file + "; "
                "proxy_ssl_name server.test; proxy_ssl_server_name on; "
                "proxy_ssl_protocols TLSv1.2 TLSv1.3; "
                "proxy_ssl_session_reuse on; }")) as path:
            for _ in range(3):
                assert programs.run("curl", "-sS", "--unix-socket", path,
                                    "http://x/through") == "hello"
        wait_until(lambda: len(relay.session_records()) == 3, 5, "three records")
        records = relay.session_records()
        assert [(one["sni"], one["tls"]) for one in records] == [("server.test", "TLSv1.3")] * 3


def check(client, served):
    data = pattern(3_000_000)
    at_server = reading(served)
    client.send(data)
    client.fin()
    assert at_server.result() == (data, FIN)
    # The end comes when nothing is queued: a program that tries once to say it is heard.
    at_client = Background(client.expect, data, 30)
    served.send(data)
    at_client.result()
    served.fin()
    rest, end = client.read_end()
    assert rest == b""
    return end


def test_haproxy_before(culvert, tmp_path):
    """HAProxy speaks TLS to the relay."""
    server = Listener()
    relay = terminating(culvert, server)
    with programs.haproxy(tmp_path, relay.address(), server_options=(
            f"ssl verify required ca-file {authority().file} sni str(server.test)")) as path:
        client = connect(f"unix:{path}")
        check(client, server.accept())
        record = relay.only_record()
        assert (record["tls"], record["reason"]) == ("TLSv1.3", "done"), record


def test_haproxy_behind(culvert, tmp_path):
    """The relay speaks TLS to HAProxy."""
    server = Listener()
    with programs.haproxy(tmp_path, server.address,
                          bind_options=f"ssl crt {server_identity().pem}") as path:
        relay = culvert(Plane(TS, TLS13).sections(f"unix:{path}"))
        client = connect(relay.address())
        check(client, server.accept())
        record = relay.record_of(client)
        assert (record["server_tls"], record["reason"]) == ("TLSv1.3", "done"), record


def test_two_relays(culvert):
    """The relay at both ends of a TLS stretch: every end comes through."""
    server = EchoServer()
    inner = culvert(Plane(TC, TLS13).sections(server))
    outer = culvert(Plane(TS, TLS13).sections(inner.address()))
    data = pattern(3_000_000)
    client = connect(outer.address())
    back = reading(client)
    client.send(data)
    client.fin()
    assert back.result() == (data, FIN)
    assert outer.only_record()["reason"] == inner.only_record()["reason"] == "done"
    assert start_tls(connect(inner.address())).version == "TLSv1.3"
