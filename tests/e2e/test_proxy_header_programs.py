# SPDX-License-Identifier: Apache-2.0
"""PROXY headers between the relay, HAProxy and nginx, in both directions, versions 1 and 2, and in
chains of two."""
import random

import pytest

from harness import programs
from harness.culvert import relay_to
from harness.peer import FIN, EchoServer, Listener, connect
from harness.proxy_header import CLIENT, read_v2, v1, v2
from harness.wait import wait_until

pytestmark = [pytest.mark.programs]
with_haproxy = programs.needs("haproxy")
with_nginx = programs.needs("nginx")


def taking_headers(server, **pool):
    return relay_to(server, pool=pool, listen={"accept_proxy": "required",
                                               "trusted_proxies": "127.0.0.0/8"})


def accepts(address):
    try:
        connect(address).discard()
    except ConnectionRefusedError:
        return False
    return True


def echo(client, header=b""):
    client.send(header + b"hello")
    client.expect(b"hello")
    client.fin()
    client.expect_end(FIN)


@with_haproxy
@pytest.mark.parametrize("words", [
    "send-proxy", "send-proxy-v2",
    "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority,ssl"])
def test_haproxy_tells_the_relay(culvert, tmp_path, words):
    """Its own client is one of a header, too, which it takes from a unix socket."""
    relay = culvert(taking_headers(EchoServer()))
    with programs.haproxy(tmp_path, relay.address(), "accept-proxy", words) as path:
        for header in (v1(), v2()):
            echo(connect(f"unix:{path}"), header)
        wait_until(lambda: len(relay.session_records()) == 2, 5, "two records")
        for log in relay.session_records():
            assert (log["reason"], log["client"]) == ("done", CLIENT), log


@with_haproxy
@pytest.mark.parametrize("sent", ["v1", "v2"])
def test_the_relay_tells_haproxy(culvert, tmp_path, sent):
    server = Listener()
    with programs.haproxy(tmp_path, server.address, "accept-proxy", "send-proxy-v2") as path:
        relay = culvert(taking_headers(f"unix:{path}", send_proxy=sent,
                                       **({"send_proxy_tlvs": "unique_id crc32c"} if sent == "v2"
                                          else {})))
        client = connect(relay.address())
        client.send(v1() + b"hello")
        served = server.accept()
        header = read_v2(served)
        assert (header.source, header.destination) == (("192.0.2.1", 50000), ("203.0.113.5", 443))
        served.expect(b"hello")


@with_haproxy
def test_haproxy_between_two_relays(culvert, tmp_path):
    last = culvert(taking_headers(EchoServer()))
    with programs.haproxy(tmp_path, last.address(), "accept-proxy", "send-proxy-v2") as path:
        first = culvert(relay_to(f"unix:{path}", pool={
            "send_proxy": "v2", "send_proxy_tlvs": "authority alpn ssl unique_id crc32c"}))
        client = connect(first.address())
        name = client.name
        echo(client)
        log = last.only_record()
        assert (log["reason"], log["client"]) == ("done", name)


@with_nginx
def test_nginx_tells_the_relay(culvert, tmp_path):
    """nginx takes a header from its client and tells it on in version 1. Of the loopback addresses it
    listens on one that nobody else uses."""
    relay = culvert(taking_headers(EchoServer()))
    address = (f"127.{random.randint(64, 250)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
               ":7654")
    config = f"""
stream {{
    server {{
        listen unix:{{path}} proxy_protocol;
        listen {address} proxy_protocol;
        set_real_ip_from 127.0.0.0/8;
        proxy_pass {relay.address()};
        proxy_protocol on;
        proxy_half_close on;
    }}
}}
"""
    with programs.nginx(tmp_path, config):
        wait_until(lambda: accepts(address), 5, "nginx to listen")
        for header in (v1(), v2()):
            echo(connect(address), header)
        wait_until(lambda: len(relay.session_records()) == 2, 5, "two records")
        for log in relay.session_records():
            assert (log["reason"], log["client"].split(":")[0]) == ("done", "192.0.2.1"), log


@with_nginx
@pytest.mark.parametrize("sent", ["v1", "v2"])
def test_the_relay_tells_nginx(culvert, tmp_path, sent):
    config = """
stream {
    server {
        listen unix:{path} proxy_protocol;
        return "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr\\n";
    }
}
"""
    with programs.nginx(tmp_path, config) as path:
        relay = culvert(taking_headers(f"unix:{path}", send_proxy=sent))
        client = connect(relay.address())
        client.send(v1())
        client.expect(b"192.0.2.1 50000 203.0.113.5\n")


@with_nginx
@with_haproxy
def test_a_chain_of_both(culvert, tmp_path):
    """HAProxy, the relay, nginx: who the client is comes through all of them."""
    config = """
stream {
    server {
        listen unix:{path} proxy_protocol;
        return "$proxy_protocol_addr $proxy_protocol_port\\n";
    }
}
"""
    (tmp_path / "n").mkdir()
    (tmp_path / "h").mkdir()
    with programs.nginx(tmp_path / "n", config) as behind:
        relay = culvert(taking_headers(f"unix:{behind}", send_proxy="v2",
                                       send_proxy_tlvs="unique_id crc32c"))
        with programs.haproxy(tmp_path / "h", relay.address(), "accept-proxy",
                              "send-proxy-v2") as path:
            client = connect(f"unix:{path}")
            client.send(v1())
            client.expect(b"192.0.2.1 50000\n")
