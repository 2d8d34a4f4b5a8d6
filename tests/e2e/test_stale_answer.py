# SPDX-License-Identifier: Apache-2.0
"""The DNS fails: at once, and for as long as it fails, sessions reach the servers of its last answer."""
from harness.dns import ScriptedDns
from harness.peer import Listener
from harness.wait import wait_until
from test_dns_discovery import echo, names, sections, servers, wait_servers


def test_the_last_answer_serves_while_the_dns_fails(culvert):
    server = Listener()
    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1"]
        relay = culvert(sections(dns, f"db db.test:{server.port}"))
        wait_servers(relay, [f"db@127.0.0.1:{server.port}"])
        dns.mood = "servfail"

        def failed():
            return names(relay)["db.test"]["lookups"].get("servfail", 0)

        for look in (1, 2):
            wait_until(lambda: failed() >= look, 15, "a look-up to fail")
            assert names(relay)["db.test"]["state"] == "stale"
            assert set(servers(relay)) == {f"db@127.0.0.1:{server.port}"}
            client, served = echo(relay, server)
            client.discard()
            served.discard()
