# SPDX-License-Identifier: Apache-2.0
"""Keys of a listener that one can see from outside: enabled, v6_only, defer_accept, reuse_port."""
from harness.culvert import relay_to
from harness.peer import FIN, Listener, connect, exchange, pair, parse_address
from harness.wait import wait_until


def test_enabled(culvert):
    server = Listener()
    sections = relay_to(server)
    sections["listen off"] = {"bind": "127.0.0.1:0", "server": server.address, "enabled": False}
    relay = culvert(sections)
    assert not relay.listeners().get("off", {}).get("addresses")
    exchange(*pair(relay, server))


def refuses_v4(port):
    try:
        connect(f"127.0.0.1:{port}", seconds=1).discard()
    except ConnectionRefusedError:
        return True
    return False


def test_v6_only(culvert):
    server = Listener()
    relay = culvert(relay_to(server, listen={"bind": "[::]:0", "v6_only": True}))
    port = parse_address(relay.address())[1][1]
    client = connect(f"[::1]:{port}")
    exchange(client, server.accept())
    assert refuses_v4(port)


def test_defer_accept(culvert):
    """A client that says nothing does not reach the relay before the time is over."""
    server = Listener()
    relay = culvert(relay_to(server, listen={"defer_accept": "30s"}))
    client = connect(relay.address())
    assert server.nobody_came(0.3)
    assert relay.accepted_total() == 0
    client.send(b"first word")
    served = server.accept()
    served.expect(b"first word")


def test_reuse_port(culvert):
    """Two processes that both say so share an address: each gets some clients."""
    servers = [Listener(), Listener()]
    first = culvert(relay_to(servers[0], listen={"reuse_port": True}))
    second = culvert(relay_to(servers[1], listen={"reuse_port": True, "bind": first.address()}))
    for _ in range(64):
        client = connect(first.address())
        client.fin()
        wait_until(lambda: not all(server.nobody_came(0) for server in servers), 5, "a session")
        for server in servers:
            if not server.nobody_came(0):
                server.accept().close()
        client.expect_end(FIN)
    assert first.accepted_total() > 5
    assert second.accepted_total() > 5
    assert first.accepted_total() + second.accepted_total() == 64
