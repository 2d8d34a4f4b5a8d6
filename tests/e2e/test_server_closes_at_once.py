# SPDX-License-Identifier: Apache-2.0
"""A server that accepts and closes at once, or sends one byte and resets: the client sees just
that (CN5)."""

from harness.culvert import relay_to
from harness.peer import FIN, RST, Server, connect


def test_server_closes_at_once(culvert):
    server = Server(lambda conn: conn.close())
    relay = culvert(relay_to(server))
    for _ in range(30):
        client = connect(relay.address())
        client.expect_end(FIN)
        client.close()
        assert relay.record_of(client)["reason"] == "done"


def test_server_sends_a_byte_and_resets(culvert):
    def behaviour(conn):
        conn.send(b"x")
        while conn.unsent():
            pass
        conn.rst()

    server = Server(behaviour)
    relay = culvert(relay_to(server))
    for _ in range(30):
        client = connect(relay.address())
        # A reset that meets the client inside connect(2) discards what its kernel has received, as
        # it would without a relay; the record tells that the byte was passed on all the same.
        client.expect_end(RST, b"" if client.was_reset else b"x")
        record = relay.record_of(client)
        assert (record["reason"], record["download_bytes"]) == ("server_reset", 1)


def test_server_resets_at_once(culvert):
    server = Server(lambda conn: conn.rst())
    relay = culvert(relay_to(server))
    for _ in range(30):
        client = connect(relay.address())
        client.expect_end(RST)
        record = relay.record_of(client)
        # A reset that arrives before the relay looked at its own connect ends the connect phase.
        assert record["reason"] in ("server_reset", "connect_failed", "connect_refused"), record
