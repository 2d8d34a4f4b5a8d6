# SPDX-License-Identifier: Apache-2.0
"""An end without a single byte is passed on, and the other side's late bytes still arrive (HC4)."""
from harness.culvert import relay_to
from harness.peer import FIN, Listener, pair


def test_client_ends_without_data(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    client.fin()
    served.expect_end(FIN)
    assert client.is_silent(0.2)
    served.send(b"late")
    served.fin()
    client.expect_end(FIN, b"late")
    assert relay.record_of(client)["upload_bytes"] == 0


def test_server_ends_without_data(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    served.fin()
    client.expect_end(FIN)
    assert served.is_silent(0.2)
    client.send(b"late")
    client.fin()
    served.expect_end(FIN, b"late")
    assert relay.record_of(client)["download_bytes"] == 0
