# SPDX-License-Identifier: Apache-2.0
"""What an operator sets: a server's state and weight, over the control socket and with ctl."""
import json

import pytest

from harness.culvert import relay_to
from harness.peer import RST, NamedServer, connect, read_line
from harness.wait import wait_until
from test_pause import ctl, post

PATH = "/api/v1/pools/servers/servers/"


def server_of(relay, name):
    servers = relay.get_json("/api/v1/pools")["pools"][0]["servers"]
    return next(one for one in servers if one["name"] == name)


def two(culvert, **pool):
    one, other = NamedServer("one"), NamedServer("other")
    relay = culvert(relay_to([f"one {one.address}", f"other {other.address}"], pool=pool), workers=2)
    return relay, one, other


@pytest.mark.parametrize("state", ["drain", "maint"])
def test_no_new_sessions(culvert, state):
    """The sessions of the server go on, new ones go elsewhere, `up` brings it back."""
    relay, _, _ = two(culvert, balance="first")
    before = connect(relay.address())
    assert read_line(before) == "one"
    status, answer = post(relay, PATH + "one", {"state": state})
    assert (status, answer) == (200, {"server": "servers/one", "state": state, "weight": 1,
                                      "sessions": 1})
    assert {read_line(connect(relay.address())) for _ in range(4)} == {"other"}
    assert before.is_silent(0.05)
    about = server_of(relay, "one")
    assert (about["state"], about["cause"]) == (state, "admin") and about["state_s"] < 60
    metrics = relay.metrics()
    assert metrics.value("culvert_server_state", server="one", state=state) == 1
    assert metrics.value("culvert_server_up", server="one") == 0
    assert metrics.value("culvert_server_transitions_total", server="one", to=state,
                         cause="admin") == 1
    assert post(relay, PATH + "one", {"state": "up"})[1]["state"] == "up"
    assert read_line(connect(relay.address())) == "one"
    relay.wait_record(lambda one: one.get("event") == "server_state" and one["to"] == "up")
    changes = [(one["from"], one["to"], one["cause"]) for one in relay.records()
               if one.get("event") == "server_state"]
    assert changes == [("up", state, "admin"), (state, "up", "admin")]


def test_nothing_left(culvert):
    relay, _, _ = two(culvert)
    for name in ("one", "other"):
        assert ctl(relay, "server", f"servers/{name}", "drain").returncode == 0
    client = connect(relay.address())
    client.expect_end(RST)
    assert relay.record_of(client)["reason"] == "no_server"


def test_server_of_the_configuration_comes_up(culvert):
    server = NamedServer("one")
    relay = culvert(relay_to(f"one {server.address} disabled", pool={}))
    assert server_of(relay, "one")["state"] == "maint"
    assert ctl(relay, "server", "servers/one", "up").returncode == 0
    assert read_line(connect(relay.address())) == "one"


def test_weight(culvert):
    """A new weight counts for the next sessions; the workers' turns are laid out anew."""
    relay, one, other = two(culvert, balance="roundrobin")
    done = ctl(relay, "server", "servers/one", "weight", "3")
    assert done.returncode == 0 and "3" in done.stdout
    for _ in range(40):
        read_line(connect(relay.address()))
    assert (one.total, other.total) == (30, 10)
    assert relay.metric("culvert_server_weight", server="one") == 3


def test_waiter_gets_the_server_that_comes_up(culvert):
    relay, _, _ = two(culvert, max_connections=1, queue_size=10, queue_timeout="60s", balance="first")
    assert post(relay, PATH + "other", {"state": "maint"})[0] == 200
    holder = connect(relay.address())
    assert read_line(holder) == "one"
    client = connect(relay.address())
    wait_until(lambda: relay.get_json("/api/v1/pools")["pools"][0]["waiting"] == 1, 5, "it to wait")
    assert post(relay, PATH + "other", {"state": "up"})[0] == 200
    assert read_line(client) == "other"


@pytest.mark.parametrize("path, body, status, word", [
    ("two", {"state": "up"}, 404, "no server 'two'"),
    ("othe", {"state": "up"}, 404, "other"),
    ("one", {"state": "drained"}, 400, "drain"),
    ("one", {"state": 1}, 400, "state"),
    ("one", {"weight": 0}, 400, "256"),
    ("one", {"weight": 257}, 400, "256"),
    ("one", {"weight": "2"}, 400, "256"),
    ("one", {"wait": 2}, 400, "weight"),
    ("one", {}, 400, "nothing to set"),
    ("one", [], 400, "JSON"),
    ("one/x", {"state": "up"}, 404, "nothing"),
])
def test_bad_requests(culvert, path, body, status, word):
    """Each is refused with a word on what is wrong, and nothing has changed."""
    relay, _, _ = two(culvert)
    got, answer = post(relay, PATH + path, body)
    assert got == status and word in json.dumps(answer), answer
    assert (server_of(relay, "one")["state"], server_of(relay, "one")["weight"]) == ("up", 1)


def test_broken_body(culvert):
    relay, _, _ = two(culvert)
    for body in ("", "{", '{"state":"drain"', "\x00", "null"):
        assert relay.get(PATH + "one", method="POST", body=body)[0] == 400
    assert server_of(relay, "one")["state"] == "up"
