# SPDX-License-Identifier: Apache-2.0
"""balance = maglev: replicas that do not know of each other send a client to the same server; while a
server is down its clients move, and no others, and they come back with it. hash_key says what a
client is."""
import collections
import random

import pytest

from harness.culvert import relay_to
from harness.hello import hello
from harness.peer import Listener, NamedServer, connect, read_line
from harness.wait import wait_until

CLIENTS = [f"127.0.{i // 100 + 1}.{i % 100 + 1}" for i in range(200)]


def maglev(**more):
    return {"balance": "maglev", **more}


def lines(servers, seed=0, weights=None):
    weights = weights or {}
    found = [f"{one.title} {one.address} weight={weights.get(one.title, 1)}" for one in servers]
    random.Random(seed).shuffle(found)
    return found


def ask(relay, source=None, listener="main"):
    with connect(relay.address(listener), source=source) as client:
        return read_line(client)


def ask_all(relay, clients=None):
    return {source: ask(relay, source) for source in clients or CLIENTS}


@pytest.mark.deadline(120)
def test_replicas_agree(culvert):
    servers = [NamedServer(name) for name in ("a", "b", "c", "d", "e")]
    weights = {"e": 3}
    replicas = [culvert(relay_to(lines(servers, seed, weights), pool=maglev()), workers=1 + seed % 2)
                for seed in range(3)]
    served = [ask_all(relay) for relay in replicas]
    assert served[0] == served[1] == served[2]
    # Every server has its share, and always the same clients.
    counts = collections.Counter(served[0].values())
    assert counts["e"] > max(counts[name] for name in "abcd"), counts
    assert all(counts[name] >= 8 for name in "abcd"), counts
    some = CLIENTS[:20]
    assert ask_all(replicas[0], some) == {source: served[0][source] for source in some}


@pytest.mark.deadline(120)
def test_only_clients_of_a_server_that_is_down_move(culvert):
    servers = [NamedServer(name) for name in ("a", "b", "d")]
    late = Listener(listening=False)
    relay = culvert(relay_to([*lines(servers), f"c {late.address}"], pool=maglev(
        max_fails=1, fail_timeout="300ms", connect_retries=3)))
    without = ask_all(relay)
    assert set(without.values()) == {"a", "b", "d"}
    NamedServer("c", port=late.port)
    # Its own clients alone try whether it is back.
    wait_until(lambda: "c" in ask_all(relay, CLIENTS[:40]).values(), 20, "the server to be found again")
    wait_until(lambda: relay.metric("culvert_server_up", server="c") == 1, 5, "the server to be up")
    whole = ask_all(relay)
    moved = [source for source in CLIENTS if whole[source] != without[source]]
    assert {whole[source] for source in moved} == {"c"}
    assert moved == [source for source in CLIENTS if whole[source] == "c"]
    assert 25 <= len(moved) <= 80
    # They had been spread over all the others.
    assert {without[source] for source in moved} == {"a", "b", "d"}


def test_a_disabled_server_moves_its_clients_alone(culvert):
    servers = [NamedServer(name) for name in "abcd"]
    whole = culvert(relay_to(lines(servers), pool=maglev()))
    part = culvert(relay_to([line + (" disabled" if line.startswith("c ") else "")
                             for line in lines(servers, 1)], pool=maglev()))
    clients = CLIENTS[:80]
    before, after = ask_all(whole, clients), ask_all(part, clients)
    assert "c" in before.values() and "c" not in after.values()
    assert all(after[source] == before[source] for source in clients if before[source] != "c")


def test_full_servers_are_passed_over(culvert):
    servers = [NamedServer(name) for name in "abc"]
    relay = culvert(relay_to(lines(servers), pool=maglev(max_connections=1)))
    held = [connect(relay.address(), source="127.0.0.77") for _ in range(3)]
    names = [read_line(client) for client in held]
    assert sorted(names) == ["a", "b", "c"]
    held[0].rst()
    wait_until(lambda: relay.sessions_total() == 2, 5, "a place to be free")
    assert ask(relay, "127.0.0.77") == names[0]


def test_source_port(culvert):
    servers = [NamedServer(name) for name in "abc"]
    relay = culvert(relay_to(lines(servers), pool=maglev(hash_key="source_port")))
    assert {ask(relay, "127.0.0.1") for _ in range(40)} == {"a", "b", "c"}


def test_destination(culvert):
    servers = [NamedServer(name) for name in "abc"]
    # One port on many addresses.
    relay = culvert(relay_to(lines(servers), listen={"bind": "*:0"},
                             pool=maglev(hash_key="destination")))
    port = relay.address().rpartition(":")[2]

    def ask_at(host, source):
        with connect(f"{host}:{port}", source=source) as client:
            return read_line(client)

    hosts = CLIENTS[:30]
    first = {host: ask_at(host, "127.0.0.1") for host in hosts}
    assert set(first.values()) == {"a", "b", "c"}
    assert {host: ask_at(host, "127.0.0.2") for host in hosts} == first


def test_sni(culvert):
    servers = [NamedServer(name) for name in "abc"]
    relay = culvert(relay_to(lines(servers), pool=maglev(hash_key="sni")))

    def ask_for(name, source):
        with connect(relay.address(), source=source) as client:
            client.send(hello(*[name.encode()] if name else []))
            return read_line(client)

    names = [f"host-{i}.example" for i in range(30)]
    first = {name: ask_for(name, "127.0.0.1") for name in names}
    assert set(first.values()) == {"a", "b", "c"}
    assert {name: ask_for(name.upper(), "127.0.0.2") for name in names} == first
    # Without a name the address counts.
    by_source = {source: ask_for(None, source) for source in CLIENTS[:30]}
    assert set(by_source.values()) == {"a", "b", "c"}
    assert {source: ask_for(None, source) for source in CLIENTS[:30]} == by_source


def test_the_next_server_is_tried_in_the_order_of_the_key(culvert):
    server = NamedServer("only")
    dead = [Listener(listening=False) for _ in range(3)]
    relay = culvert(relay_to([f"only {server.address}", *(f"dead-{i} {one.address}"
                                                         for i, one in enumerate(dead))],
                             pool=maglev(max_fails=0, connect_retries=3)))
    assert {ask(relay, source) for source in CLIENTS[:20]} == {"only"}
    refused = relay.metric("culvert_connects_total", result="refused")
    assert refused > 0
    # The same client fails at the same servers again.
    counts = set()
    for _ in range(3):
        before = relay.metric("culvert_connects_total", result="refused")
        assert ask(relay, CLIENTS[0]) == "only"
        counts.add(relay.metric("culvert_connects_total", result="refused") - before)
    assert len(counts) == 1


@pytest.mark.parametrize("key, claims", [
    ("source", [f"TCP4 192.0.2.{i} 203.0.113.5 50000 443" for i in range(30)]),
    ("destination", [f"TCP4 192.0.2.1 203.0.113.{i} 50000 443" for i in range(30)]),
])
def test_addresses_of_a_proxy_header_count(culvert, key, claims):
    servers = [NamedServer(name) for name in "abc"]
    relay = culvert(relay_to(lines(servers), pool=maglev(hash_key=key), listen={
        "accept_proxy": "required", "trusted_proxies": "127.0.0.0/8"}))

    def ask_as(claim, source):
        with connect(relay.address(), source=source) as client:
            client.send(f"PROXY {claim}\r\n".encode())
            return read_line(client)

    first = {claim: ask_as(claim, "127.0.0.1") for claim in claims}
    assert set(first.values()) == {"a", "b", "c"}
    assert {claim: ask_as(claim, "127.0.0.9") for claim in claims} == first
