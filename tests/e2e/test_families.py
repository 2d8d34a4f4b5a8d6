# SPDX-License-Identifier: Apache-2.0
"""Every kind of listener before every kind of server: IPv4, IPv6, dual, unix paths and abstract
unix names; bytes and both ends come through each."""
import os
import stat

import pytest

from harness.culvert import relay_to
from harness.peer import (FIN, Listener, connect, exchange, pair, parse_address, stream, unix_path)

KINDS = ["v4", "v6", "unix", "abstract"]


def bind_of(kind):
    if kind == "v4":
        return "127.0.0.1:0"
    if kind == "v6":
        return "[::1]:0"
    if kind == "unix":
        return f"unix:{unix_path()}"
    return f"unix:@culvert-listener-{os.getpid()}-{os.urandom(4).hex()}"


@pytest.mark.parametrize("server_kind", KINDS)
@pytest.mark.parametrize("listener_kind", KINDS)
def test_families(culvert, listener_kind, server_kind):
    server = Listener(server_kind)
    relay = culvert(relay_to(server, listen={"bind": bind_of(listener_kind)}))
    client, served = pair(relay, server)
    exchange(client, served)
    stream(client, served, 1 << 20)
    stream(served, client, 1 << 20, seed=2)
    client.fin()
    served.expect_end(FIN)
    served.send(b"late")
    served.fin()
    client.expect_end(FIN, b"late")
    record = relay.only_record()
    assert (record["reason"], record["download_bytes"]) == ("done", (1 << 20) + 5)
    assert record["server_addr"] == server.address
    if client.name:
        assert record["client"] == client.name


def test_dual(culvert):
    """`:port` listens on both families; an IPv4 client is recorded as IPv4."""
    server = Listener()
    relay = culvert(relay_to(server, listen={"bind": ":0"}))
    port = parse_address(relay.address())[1][1]
    for address in (f"127.0.0.1:{port}", f"[::1]:{port}"):
        client = connect(address)
        served = server.accept()
        exchange(client, served)
        client.fin()
        served.close()
        client.expect_end(FIN)
        assert relay.record_of(client)["reason"] == "done"


def test_several_binds(culvert):
    server = Listener()
    path = unix_path()
    relay = culvert(relay_to(server, listen={
        "bind": ["127.0.0.1:0", "127.0.0.2:0 [::1]:0", f"unix:{path}"]}))
    addresses = relay.addresses()
    assert len(addresses) == 4
    for address in addresses:
        client = connect(address)
        exchange(client, server.accept())
    assert relay.sessions_total() == 4
    assert relay.listeners()["main"]["accepted_total"] == 4


def test_unix_abort_is_an_end(culvert):
    """Unix sockets have no reset: what would be one ends the stream there."""
    server = Listener("unix")
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    exchange(client, served)
    client.send(b"last")
    client.fin()
    served.expect(b"last")
    served.send(b"answer")
    served.close()
    client.expect_end(FIN, b"answer")


def test_socket_mode(culvert):
    path = unix_path()
    server = Listener()
    relay = culvert(relay_to(server, listen={"bind": f"unix:{path}", "socket_mode": "0640"}))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    client, served = pair(relay, server)
    exchange(client, served)
