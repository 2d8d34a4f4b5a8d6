# SPDX-License-Identifier: Apache-2.0
"""The balance policies, with weights: leastconn fills evenly by weight, roundrobin deals in exact
proportion, random stays near it, first fills the first server."""
import collections

import pytest

from harness.culvert import relay_to
from harness.peer import NamedServer, connect, read_line


def greet(relay, count):
    clients = [connect(relay.address()) for _ in range(count)]
    names = collections.Counter(read_line(client) for client in clients)
    return clients, names


def three(weights):
    servers = [NamedServer(name) for name in ("a", "b", "c")]
    lines = [f"{server.title} {server.address}" + (f" weight={weight}" if weight else "")
             for server, weight in zip(servers, weights)]
    return servers, lines


@pytest.mark.parametrize("workers", [1, 3])
def test_leastconn(culvert, workers):
    _, lines = three((None, None, None))
    relay = culvert(relay_to(lines, pool={"balance": "leastconn"}), workers=workers)
    clients, names = greet(relay, 30)
    assert names == {"a": 10, "b": 10, "c": 10}
    # Free one server's sessions: the next ones all go there.
    server_of = {one["client"]: one["server"] for one in relay.sessions("?limit=1000")}
    for client in clients:
        if server_of[client.name] == "b":
            client.rst()
    relay.wait_places(20)
    _, names = greet(relay, 10)
    assert names == {"b": 10}


def test_leastconn_weights(culvert):
    _, lines = three((3, 2, 1))
    relay = culvert(relay_to(lines, pool={"balance": "leastconn"}))
    _, names = greet(relay, 60)
    assert abs(names["a"] - 30) <= 1 and abs(names["b"] - 20) <= 1 and abs(names["c"] - 10) <= 1


@pytest.mark.parametrize("workers", [1, 3])
def test_roundrobin(culvert, workers):
    _, lines = three((None, None, None))
    relay = culvert(relay_to(lines, pool={"balance": "roundrobin"}), workers=workers)
    _, names = greet(relay, 30)
    assert names == {"a": 10, "b": 10, "c": 10}


def test_roundrobin_weights_are_interleaved(culvert):
    _, lines = three((3, 1, 1))
    relay = culvert(relay_to(lines, pool={"balance": "roundrobin"}))
    order = []
    for _ in range(10):
        client = connect(relay.address())
        order.append(read_line(client))
    assert collections.Counter(order) == {"a": 6, "b": 2, "c": 2}
    assert "aaa" not in "".join(order[:5])


def test_random(culvert):
    _, lines = three((None, None, None))
    relay = culvert(relay_to(lines, pool={"balance": "random"}))
    _, names = greet(relay, 90)
    assert all(names[name] >= 20 for name in "abc"), names


def test_first(culvert):
    _, lines = three((None, None, None))
    relay = culvert(relay_to(lines, pool={"balance": "first"}))
    _, names = greet(relay, 10)
    assert names == {"a": 10}
