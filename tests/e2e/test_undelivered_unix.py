# SPDX-License-Identifier: Apache-2.0
"""What a unix socket's peer has not read yet is its own, also after the end: it does not count as
undelivered; what the relay still holds does."""
from harness.culvert import relay_to
from harness.peer import Listener, pair


def test_undelivered_unix(culvert):
    server = Listener("unix")
    relay = culvert(relay_to(server, defaults={"stall_timeout": "300ms", "splice": "off"}))
    client, served = pair(relay, server)
    client.fill(quiet=0.1)
    client.wait_reset(5)
    record = relay.record_of(client)
    assert (record["reason"], record["waited_for"]) == ("stall_timeout", "server")
    assert 0 < record["undelivered_bytes"] <= 64 * 1024  # one read at most
    got, _ = served.read_end(5)
    assert len(got) == record["upload_bytes"]
