# SPDX-License-Identifier: Apache-2.0
"""No local port is left for connections to the server: refused cleanly with the reason
ports_exhausted, counted, the server not blamed, and fine again when ports are free (CN6)."""
from harness.culvert import relay_to
from harness.netns import in_network_namespace, set_sysctl
from harness.peer import RST, Listener, connect, exchange
from harness.wait import wait_until


@in_network_namespace()
def test_ports_exhausted(culvert):
    server = Listener()
    relay = culvert(relay_to(server), workers=1)
    address = relay.address()
    # Clients bind addresses of their own, so only the relay draws from this range.
    set_sysctl("net/ipv4/ip_local_port_range", "42000 42019")
    live, refused = [], []
    for number in range(30):
        client = connect(address, source=f"127.0.2.{number + 1}")
        served, end = client.outcome(server)
        if served:
            live.append((client, served))
        else:
            assert end == RST
            refused.append(client)
    assert len(live) <= 20
    assert refused
    reasons = {relay.record_of(client)["reason"] for client in refused}
    assert reasons == {"ports_exhausted"}
    record = relay.record_of(refused[0])
    assert record["errno"] == "EADDRNOTAVAIL"
    relay.wait_metric_from("culvert_connects_total", len(refused), result="ports_exhausted")
    assert relay.metric("culvert_server_up") == 1
    for client, served in live:
        exchange(client, served)
        served.rst()
        client.expect_end(RST)
    wait_until(lambda: relay.sessions_total() == 0, 3, "the sessions to end")
    client = connect(address, source="127.0.3.1")
    exchange(client, server.accept())
