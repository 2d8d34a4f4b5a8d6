# SPDX-License-Identifier: Apache-2.0
"""A client's bytes reach the server, the answer comes back, both ends are passed on, and the
session record says so."""
from harness.culvert import relay_to
from harness.peer import FIN, Listener, pair


def test_round_trip(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    client.send(b"question")
    served.expect(b"question")
    served.send(b"answer")
    client.expect(b"answer")
    client.fin()
    served.expect_end(FIN)
    served.close()
    client.expect_end(FIN)
    record = relay.record_of(client)
    assert record["reason"] == "done"
    assert record["first"] == "client"
    assert (record["upload_bytes"], record["download_bytes"]) == (8, 6)
    assert record["undelivered_bytes"] == 0
