# SPDX-License-Identifier: Apache-2.0
"""The client sends a request and ends its stream while the server is not there yet. That is no
abort: once the server answers, it gets the request and the end, and its reply comes back (HC6)."""
from harness.culvert import relay_to
from harness.peer import FIN, Blackhole, connect
from harness.wait import wait_until


def test_client_fin_while_connecting(culvert):
    server = Blackhole()
    relay = culvert(relay_to(server, defaults={"connect_timeout": "10s"}))
    client = connect(relay.address())
    client.send(b"request")
    client.fin()
    wait_until(lambda: [one for one in relay.sessions() if one["phase"] == "connect"], 3,
               "a session in phase connect")
    assert client.is_silent(0.2)
    server.open()
    served = server.accept(10)
    served.expect_end(FIN, b"request")
    served.send(b"reply")
    served.fin()
    client.expect_end(FIN, b"reply")
    record = relay.record_of(client)
    assert (record["reason"], record["retries"]) == ("done", 0)
    assert server.nobody_came(0.05)
