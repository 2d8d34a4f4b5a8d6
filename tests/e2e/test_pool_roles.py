# SPDX-License-Identifier: Apache-2.0
"""Roles of servers: a backup serves only while no primary can, a disabled one never, and without
any usable server the client is refused with the reason no_server."""
import pytest

from harness.culvert import relay_to
from harness.peer import FIN, RST, Listener, NamedServer, connect, read_line, refused_address


def test_backup(culvert):
    primary = refused_address()
    backup = NamedServer("backup")
    relay = culvert(relay_to([f"primary {primary}", f"spare {backup.address} backup"]))
    for _ in range(5):
        client = connect(relay.address())
        assert read_line(client) == "backup"
        client.close()


def test_backup_rests_while_a_primary_serves(culvert):
    primary, backup = NamedServer("primary"), NamedServer("backup")
    relay = culvert(relay_to([f"spare {backup.address} backup", f"main {primary.address}"]))
    for _ in range(10):
        assert read_line(connect(relay.address())) == "primary"
    assert backup.total == 0


def test_disabled(culvert):
    on, off = NamedServer("on"), NamedServer("off")
    relay = culvert(relay_to([f"off {off.address} disabled", f"on {on.address}"],
                             pool={"balance": "roundrobin"}))
    for _ in range(6):
        assert read_line(connect(relay.address())) == "on"
    assert off.total == 0


@pytest.mark.parametrize("when_down,end", [("reset", RST), ("close", FIN)])
def test_no_server(culvert, when_down, end):
    server = Listener()
    relay = culvert(relay_to([f"off {server.address} disabled"], pool={},
                             listen={"when_down": when_down}))
    client = connect(relay.address())
    client.expect_end(end)
    record = relay.record_of(client)
    assert (record["reason"], record["server"]) == ("no_server", "")
    assert server.nobody_came()
