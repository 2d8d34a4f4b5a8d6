# SPDX-License-Identifier: Apache-2.0
"""Routes by source prefix: the longest prefix wins, the listener's pool takes the rest, and without
one the client is refused with the reason no_route."""
import pytest

from harness.peer import FIN, RST, NamedServer, connect, read_line


def sections(servers, **listen):
    whole = {"listen main": {"bind": "127.0.0.1:0", **listen}}
    for server in servers:
        whole[f"pool {server.title}"] = {"server": server.address}
    return whole


def test_longest_prefix_wins(culvert):
    servers = [NamedServer(name) for name in ("eight", "sixteen", "host", "rest")]
    whole = sections(servers, pool="rest")
    whole["route r8"] = {"listen": "main", "source": "127.0.0.0/9", "pool": "eight"}
    whole["route r16"] = {"listen": "main", "source": "127.1.0.0/16, 127.2.0.0/16", "pool": "sixteen"}
    whole["route r32"] = {"listen": "main", "source": "127.1.2.3", "pool": "host"}
    relay = culvert(whole)
    for source, name, route in (("127.0.0.9", "eight", "r8"), ("127.1.9.9", "sixteen", "r16"),
                                ("127.2.0.1", "sixteen", "r16"), ("127.1.2.3", "host", "r32"),
                                ("127.200.0.1", "rest", "")):
        client = connect(relay.address(), source=source)
        assert read_line(client) == name
        client.fin()
        client.expect_end(FIN)
        record = relay.record_of(client)
        assert (record["route"], record["pool"]) == (route, name)


@pytest.mark.parametrize("no_route,end", [("reset", RST), ("close", FIN)])
def test_no_route(culvert, no_route, end):
    server = NamedServer("inside")
    whole = sections([server], no_route=no_route)
    whole["route inside"] = {"listen": "main", "source": "127.0.0.0/24", "pool": "inside"}
    relay = culvert(whole)
    assert read_line(connect(relay.address(), source="127.0.0.7")) == "inside"
    client = connect(relay.address(), source="127.9.0.1")
    client.expect_end(end)
    record = relay.record_of(client)
    assert (record["reason"], record["pool"]) == ("no_route", "")
    assert server.total == 1


def test_reject(culvert):
    server = NamedServer("all")
    whole = sections([server], pool="all")
    whole["route bad"] = {"listen": "main", "source": "127.66.0.0/16", "action": "reject"}
    relay = culvert(whole)
    client = connect(relay.address(), source="127.66.6.6")
    client.expect_end(RST)
    assert relay.record_of(client)["reason"] in ("denied", "no_route")
    assert read_line(connect(relay.address())) == "all"


def test_ipv6_source(culvert):
    six, rest = NamedServer("six"), NamedServer("rest")
    whole = sections([six, rest], pool="rest")
    whole["listen main"]["bind"] = ["127.0.0.1:0", "[::1]:0"]
    whole["route six"] = {"listen": "main", "source": "::/0", "pool": "six"}
    relay = culvert(whole)
    four, colon = relay.addresses()
    assert read_line(connect(four)) == "rest"
    assert read_line(connect(colon)) == "six"
