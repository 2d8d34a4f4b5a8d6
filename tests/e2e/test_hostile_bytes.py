# SPDX-License-Identifier: Apache-2.0
"""Clients and servers that speak anything: another protocol's greeting, zeros, 0xff, noise. A relay
of bytes passes them on unchanged; a server that floods or never reads is bounded (SL7, BK4)."""
import random

import pytest

from harness.culvert import SANITIZER, relay_to
from harness.peer import FIN, Listener, exchange, pair, reading

GREETINGS = {
    "http": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + bytes(190),
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "rdp": bytes.fromhex("030000130ee000000000000100080003000000"),
    "proxy": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    "proxy2": bytes.fromhex("0d0a0d0a000d0a515549540a21110000"),
    "zeros": bytes(65536),
    "ones": b"\xff" * 65536,
    "noise": random.Random(1).randbytes(65536),
}


@pytest.mark.parametrize("name", GREETINGS)
def test_any_bytes_both_ways(culvert, name):
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    data = GREETINGS[name]
    at_server, at_client = reading(served), reading(client)
    client.send(data)
    served.send(data)
    client.fin()
    served.fin()
    assert at_server.result() == (data, FIN)
    assert at_client.result() == (data, FIN)


def test_flooding_server_that_never_reads(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={
        "stall_timeout": "1m", "send_buffer": "256k", "receive_buffer": "256k"}))
    client, served = pair(relay, server)
    exchange(client, served)
    before = relay.ledger().rss_kb
    pushed = served.fill(quiet=0.2)
    client.fill(quiet=0.2)
    assert pushed < 16 << 20
    if not SANITIZER:
        assert relay.ledger().rss_kb - before < 1024
    client.rst()
    assert relay.record_of(client)["reason"] == "client_reset"
