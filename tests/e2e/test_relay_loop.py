# SPDX-License-Identifier: Apache-2.0
"""A relay whose server is its own listener: refused as a configuration, or stopped by the limit, but
never a melt-down (CF6)."""
import contextlib

import pytest

from harness.culvert import StartFailed, relay_to
from harness.dns import ScriptedDns
from harness.peer import connect, unix_path
from harness.wait import wait_until


def goes_round_and_ends(relay):
    """The limit ends it, all of it, and the process serves on."""
    client = connect(relay.address())
    with contextlib.suppress(ConnectionError):  # the loop may be over before that
        client.send(b"round and round")
    _, end = client.read_end(15)
    assert end in ("RST", "FIN")
    client.discard()
    wait_until(lambda: relay.sessions_total() == 0, 15, "the loop to be over")
    assert relay.get("/healthz")[0] == 200


@pytest.mark.parametrize("target", ["127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1"])
def test_relay_loop_by_name(culvert, target):
    """The start cannot know it: the answer brings the warning, and the limit the end."""
    with ScriptedDns() as dns:
        relay = culvert({"dns": {"servers": dns.address, "min_ttl": "100ms", "failure_retry": "100ms", "search": False},
                         "listen main": {"bind": "127.0.0.1:0", "server": "self srv:_loop._tcp.test"},
                         "limits": {"max_connections": 50, "on_limit": "reset"}})
        port = int(relay.address().rpartition(":")[2])
        (dns.aaaa if ":" in target else dns.a)["self.test"] = [target]
        dns.srv["_loop._tcp.test"] = [(1, 1, port, "self.test")]
        record = relay.wait_record(lambda one: one.get("event") == "dns_loop", 20, "the warning")
        assert (record["level"], record["listener"]) == ("warn", "main")
        assert record["server"].startswith("self@")
        wait_until(lambda: relay.get_json("/api/v1/pools")["pools"][0]["servers"], 10, "the server")
        goes_round_and_ends(relay)


def test_relay_loop(culvert):
    path = unix_path()
    relay = culvert(relay_to(f"unix:{path}", listen={"bind": ["127.0.0.1:0", f"unix:{path}"]}),
                    limits={"max_connections": 50, "on_limit": "reset"}, wait_ready=False)
    try:
        relay.wait_ready()
    except StartFailed as failure:
        assert failure.code == 78
        relay.stopped_by_test = True
        return
    goes_round_and_ends(relay)
