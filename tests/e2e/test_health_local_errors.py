# SPDX-License-Identifier: Apache-2.0
"""Checks that cannot be made for want of local ports say nothing of the server: it stays up, sessions
that need no new port go on, and checks resume with the ports."""
from harness.netns import in_network_namespace, set_sysctl
from harness.peer import Server
from harness.wait import wait_until
from test_health_checks import checked, results, up

PORTS = "net/ipv4/ip_local_port_range"


@in_network_namespace(net__ipv4__tcp_tw_reuse=0)
def test_no_port_for_a_check(culvert):
    server = Server(lambda conn: (conn.read(6), conn.send(b"+PONG\r\n"), conn.read_end()))
    relay = culvert(checked([f"one {server.address}"], type="redis", interval="100ms",
                            timeout="100ms", fall=1))
    # Each check leaves its port behind for a minute, so these are soon used up.
    set_sysctl(PORTS, "42000 42003")

    def made(*kinds):
        return sum(results(relay, "one", kind) for kind in kinds)

    wait_until(lambda: made("local", "unreachable") >= 3, 15, "checks without a port")
    assert made("unreachable") == 0
    # On a slow machine checks may time out before, which is another matter.
    if not made("timeout"):
        assert up(relay, "one") == 1
        assert not [one for one in relay.records() if one.get("event") == "server_state"]
    set_sysctl(PORTS, "43000 43999")
    before = made("ok")
    wait_until(lambda: made("ok") > before, 15, "a check with a port")
