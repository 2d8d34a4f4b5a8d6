# SPDX-License-Identifier: Apache-2.0
"""HAProxy before and behind the relay: bytes and ends come through both, in both orders."""
import pytest

from harness import programs
from harness.culvert import relay_to
from harness.peer import FIN, Listener, connect, pattern, reading

pytestmark = [pytest.mark.programs, programs.needs("haproxy")]


def check(client, served):
    data = pattern(3_000_000)
    at_server = reading(served)
    client.send(data)
    client.fin()
    assert at_server.result() == (data, FIN)
    at_client = reading(client)
    served.send(data)
    served.fin()
    assert at_client.result() == (data, FIN)


def test_haproxy_before(culvert, tmp_path):
    server = Listener()
    relay = culvert(relay_to(server))
    with programs.haproxy(tmp_path, relay.address()) as path:
        check(connect(f"unix:{path}"), server.accept())
        assert relay.only_record()["reason"] == "done"


def test_haproxy_behind(culvert, tmp_path):
    server = Listener()
    with programs.haproxy(tmp_path, server.address) as path:
        relay = culvert(relay_to(f"unix:{path}"))
        client = connect(relay.address())
        check(client, server.accept())
        assert relay.record_of(client)["reason"] == "done"
