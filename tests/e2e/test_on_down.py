# SPDX-License-Identifier: Apache-2.0
"""`on_down`: what becomes of the sessions on a server that its checks take down."""
from datetime import datetime

from harness.culvert import relay_to
from harness.peer import RST, NamedServer, connect, read_line

QUICK = {"interval": "500ms", "timeout": "500ms", "fall": "2", "rise": "2", "jitter": "0%"}


def sessions_on_a_dead_server(culvert, on_down, drain_timeout="60s"):
    """Two clients on a server whose port is closed by now, and which is down."""
    one, other = NamedServer("one"), NamedServer("other")
    relay = culvert({**relay_to([f"one {one.address}", f"other {other.address} backup"],
                                pool={"health": "up", "on_down": on_down}, **{"health up": QUICK}),
                     "culvert": {"drain_timeout": drain_timeout}}, workers=2)
    clients = [connect(relay.address()) for _ in range(2)]
    assert [read_line(client) for client in clients] == ["one", "one"]
    one.close()
    relay.wait_record(lambda record: record.get("event") == "server_state" and record["to"] == "down",
                      20, "the server to be down")
    return relay, clients


def test_keep(culvert):
    relay, clients = sessions_on_a_dead_server(culvert, "keep")
    assert all(client.is_silent(0.1) for client in clients)
    assert relay.metric("culvert_server_sessions", server="one") == 2
    assert read_line(connect(relay.address())) == "other"


def test_reset(culvert):
    """At once, both sides; the clients find the other server when they come again."""
    relay, clients = sessions_on_a_dead_server(culvert, "reset")
    for client in clients:
        client.expect_end(RST)
        record = relay.record_of(client)
        assert (record["reason"], record["phase"], record["first"]) == ("server_down", "relay", "culvert")
    assert read_line(connect(relay.address())) == "other"
    relay.wait_record(lambda record: record.get("event") == "server_sessions_end")
    metrics = relay.metrics()
    assert metrics.value("culvert_server_transitions_total", server="one", to="down", cause="check") == 1


def test_drain(culvert):
    """They may go on for drain_timeout and are then reset."""
    relay, clients = sessions_on_a_dead_server(culvert, "drain", drain_timeout="1s")
    for client in clients:
        client.expect_end(RST, seconds=20)
        assert relay.record_of(client)["reason"] == "server_down"
    began = relay.wait_record(lambda record: record.get("event") == "server_sessions_end")
    assert began["how"] == "drain"
    for client in clients:
        ended = datetime.fromisoformat(relay.record_of(client)["time"])
        assert (ended - datetime.fromisoformat(began["time"])).total_seconds() >= 0.9
