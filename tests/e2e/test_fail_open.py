# SPDX-License-Identifier: Apache-2.0
"""fail_open: when the checks say that no server is usable, they may be wrong; sessions are given to
servers that are down rather than refused. Backups that are up come first, drained servers stay out."""
from harness.culvert import relay_to
from harness.peer import RST, NamedServer, connect, read_line, refused_address
from harness.wait import duration, span, wait_until

CHECKS = {"health": "quick", "max_fails": 0}


def down_for_checks(server, words=""):
    """The server as a line whose checks go to a port that refuses."""
    port = refused_address().rpartition(":")[2]
    return f"{server.title} {server.address} health_port={port} {words}"


def start(culvert, lines, up=(), **pool):
    interval = duration(span(0.2))
    relay = culvert(relay_to(lines, pool={**CHECKS, **pool}, **{"health quick": {
        "type": "tcp", "interval": interval, "timeout": interval, "fall": 1, "rise": 1}}))
    wait_until(lambda: relay.metric("culvert_server_up") == len(up), 10, "the checks to fail")
    return relay


def test_servers_that_are_down_are_tried(culvert):
    servers = [NamedServer(name) for name in ("a", "b")]
    relay = start(culvert, [down_for_checks(one) for one in servers], fail_open=True,
                  balance="roundrobin")
    assert {read_line(connect(relay.address())) for _ in range(4)} == {"a", "b"}


def test_without_it_sessions_are_refused(culvert):
    server = NamedServer("a")
    relay = start(culvert, [down_for_checks(server)])
    client = connect(relay.address())
    assert client.read_end() == (b"", RST)
    assert relay.record_of(client)["reason"] == "no_server"
    assert server.total == 0


def test_a_backup_that_is_up_comes_first(culvert):
    a, b = NamedServer("a"), NamedServer("b")
    relay = start(culvert, [down_for_checks(a), f"b {b.address} backup"], up="b", fail_open=True)
    assert {read_line(connect(relay.address())) for _ in range(5)} == {"b"}


def test_who_was_taken_out_stays_out(culvert):
    a, b = NamedServer("a"), NamedServer("b")
    relay = start(culvert, [down_for_checks(a), down_for_checks(b, "drain")], fail_open=True)
    assert {read_line(connect(relay.address())) for _ in range(5)} == {"a"}
