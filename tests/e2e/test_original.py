# SPDX-License-Identifier: Apache-2.0
"""`server = original`: a client that a rule has led to culvert is joined to the address it dialled,
and nobody is led back to culvert itself."""
import pytest

from harness.certificates import authority, server_identity
from harness.culvert import StartFailed
from harness.netns import (Neighbour, add_address, in_network_namespace,
                           route_marked_packets_here, run_nft, set_sysctl)
from harness.peer import RST, Listener, connect, exchange
from harness.tls import HandshakeFailed, answer_tls, server_context, start_tls
from harness.wait import wait_until

USER = 60999
FAMILIES = pytest.mark.parametrize("family", ["v4", "v6"])


def original(listen=None, **pool):
    return {"listen main": {"bind": ":0", "pool": "out", **(listen or {})},
            "pool out": {"server": "original", **pool}}


def port_of(address):
    return int(address.rpartition(":")[2])


def redirect(hook, port, more=""):
    """Everything dialled on ports below 30000 goes to `port`."""
    run_nft(f"""table inet lead {{
        chain {hook} {{
            type nat hook {hook} priority -100;
            {more}
            tcp dport < 30000 redirect to :{port}
        }}
    }}""")


def far_listener(family, machine, port=80):
    host = machine.v4 if family == "v4" else machine.v6
    return machine.call(Listener, family, host=host, port=port)


def joined(relay, client, server):
    """The client's session, served by `server`; returns its record."""
    served = server.accept()
    exchange(client, served)
    peer = served.peer_name()
    client.fin()
    served.expect_end("FIN")
    served.fin()
    client.expect_end("FIN")
    # Not by its port: where that is taken the kernel gives a redirected connection another one.
    record = relay.wait_record(lambda one: one.get("event") == "session_end"
                               and one["server_addr"] == server.address, 5, "the session's record")
    assert record["client"].rpartition(":")[0] == client.name.rpartition(":")[0]
    assert record["reason"] == "done"
    assert record["server"] == "original"
    return peer


@FAMILIES
@in_network_namespace()
def test_outgoing_connections_of_the_machine(culvert, family):
    """The sidecar: what programs beside it dial is redirected, its own connections are not."""
    add_address("lo", "10.5.0.1")
    add_address("lo", "fd00:5::1")
    server = Listener(family, host="10.5.0.1" if family == "v4" else "fd00:5::1", port=80)
    other = Listener(family, host="10.5.0.1" if family == "v4" else "fd00:5::1", port=81)
    relay = culvert(original(), user=USER)
    redirect("output", port_of(relay.address()), f"meta skuid {USER} return")
    joined(relay, connect(server.address), server)
    joined(relay, connect(other.address), other)
    assert relay.metric("culvert_connects_total", server="original", result="ok") == 2


@FAMILIES
@in_network_namespace()
def test_redirected_on_the_way_in(culvert, family):
    clients, servers = Neighbour(1), Neighbour(2)
    server = far_listener(family, servers)
    relay = culvert(original())
    redirect("prerouting", port_of(relay.address()))
    joined(relay, clients.call(connect, server.address), server)
    # Dialling the port of culvert itself is no way out.
    host = "10.1.0.1" if family == "v4" else "[fd00:1::1]"
    client = clients.call(connect, f"{host}:{port_of(relay.address())}")
    client.expect_end(RST)
    assert relay.record_of(client)["reason"] == "loop"
    clients.close()
    servers.close()


@pytest.mark.parametrize("source", ["own", "client"])
@FAMILIES
@in_network_namespace()
def test_tproxy(culvert, family, source):
    """The address stays in the packets; a transparent pool keeps the client's as well."""
    clients, servers = Neighbour(1), Neighbour(2)
    route_marked_packets_here()
    server = far_listener(family, servers)
    relay = culvert(original({"bind": ["0.0.0.0:0", "[::]:0"], "v6_only": True,
                              "transparent": True}, transparent=source == "client"))
    four, six = (port_of(address) for address in relay.addresses())
    run_nft(f"""table inet lead {{
        chain prerouting {{
            type filter hook prerouting priority mangle;
            socket transparent 1 meta mark set 1 accept
            iifname near1 tcp dport 80 meta nfproto ipv4 meta mark set 1 tproxy ip to :{four} accept
            iifname near1 tcp dport 80 meta nfproto ipv6 meta mark set 1 tproxy ip6 to :{six} accept
        }}
    }}""")
    client = clients.call(connect, server.address)
    peer = joined(relay, client, server)
    host = peer.rpartition(":")[0].strip("[]")
    if source == "client":
        assert host == (clients.v4 if family == "v4" else clients.v6)
    else:
        assert host == ("10.2.0.1" if family == "v4" else "fd00:2::1")
    clients.close()
    servers.close()


@in_network_namespace()
def test_nobody_answers_where_the_client_wanted_to_go(culvert):
    add_address("lo", "10.5.0.1")
    relay = culvert(original(), user=USER)
    redirect("output", port_of(relay.address()), f"meta skuid {USER} return")
    for _ in range(5):
        client = connect("10.5.0.1:99")
        client.expect_end(RST)
        record = relay.record_of(client)
        assert record["reason"] == "connect_refused"
        assert record["server_addr"] == "10.5.0.1:99"
    # The only server of a pool stays in it.
    server = Listener(host="10.5.0.1", port=80)
    joined(relay, connect(server.address), server)


@in_network_namespace()
def test_a_rule_that_redirects_culvert_itself(culvert):
    """The connection that comes back is refused; none is opened for it."""
    add_address("lo", "10.5.0.1")
    server = Listener(host="10.5.0.1", port=80)
    relay = culvert(original(), user=USER)
    redirect("output", port_of(relay.address()))
    client = connect(server.address)
    client.expect_end(RST)
    wait_until(lambda: relay.sessions_total() == 0, 5, "both sessions to end")
    records = wait_until(lambda: len(relay.session_records()) == 2 and relay.session_records(), 5,
                         "both records")
    assert sorted(one["reason"] for one in records) == ["loop", "server_reset"]
    event = relay.wait_record(lambda one: one.get("event") == "loop")
    assert event["destination"] == "10.5.0.1:80"
    assert "culvert's own" in event["message"]
    assert server.nobody_came()


@in_network_namespace()
def test_not_redirected(culvert):
    """Who dials culvert itself, by any of its addresses, is told so."""
    add_address("lo", "10.5.0.1")
    relay = culvert(original())
    port = port_of(relay.address())
    for host in ("127.0.0.1", "10.5.0.1", "[::1]"):
        client = connect(f"{host}:{port}")
        client.expect_end(RST)
        record = relay.record_of(client)
        assert (record["reason"], record["server_addr"]) == ("loop", f"{host}:{port}")
    assert relay.accepted_total() == 3
    assert "no rule has redirected" in relay.wait_record(
        lambda one: one.get("event") == "loop")["message"]


@pytest.mark.parametrize("where", ["listen", "pool"])
def test_transparent_without_the_right(culvert, where):
    """Said at the start, not at the first session."""
    sections = original({"transparent": True} if where == "listen" else None,
                        **({"transparent": True} if where == "pool" else {}))
    relay = culvert(sections, user=USER, wait_ready=False)
    with pytest.raises(StartFailed) as failure:
        relay.wait_ready()
    relay.stopped_by_test = True
    assert failure.value.code == 77
    assert "CAP_NET_ADMIN" in failure.value.stderr
    assert ("[listen main]" if where == "listen" else "[pool out]") in failure.value.stderr


@in_network_namespace()
def test_the_right_outlives_the_change_of_user(culvert):
    """[culvert] user keeps CAP_NET_ADMIN for a transparent pool, and nothing else."""
    clients, servers = Neighbour(1), Neighbour(2)
    route_marked_packets_here()
    server = far_listener("v4", servers)
    relay = culvert({**original({"bind": "0.0.0.0:0", "transparent": True}, transparent=True),
                     "culvert": {"user": "nobody"}})
    with open(f"/proc/{relay.pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":\t", 1) for line in file)
    assert fields["Uid"].split() == ["65534"] * 4
    for kind in ("CapEff", "CapPrm"):
        assert int(fields[kind], 16) == 1 << 12
    run_nft(f"""table ip lead {{
        chain prerouting {{
            type filter hook prerouting priority mangle;
            socket transparent 1 meta mark set 1 accept
            iifname near1 tcp dport 80 meta mark set 1 tproxy to :{port_of(relay.address())} accept
        }}
    }}""")
    peer = joined(relay, clients.call(connect, server.address), server)
    assert peer.startswith(f"{clients.v4}:")
    clients.close()
    servers.close()


@in_network_namespace()
def test_the_proxy_header_names_where_the_client_wanted_to_go(culvert):
    add_address("lo", "10.5.0.1")
    server = Listener(host="10.5.0.1", port=80)
    relay = culvert(original(send_proxy="v1"), user=USER)
    redirect("output", port_of(relay.address()), f"meta skuid {USER} return")
    client = connect(server.address)
    served = server.accept()
    host, _, port = client.name.rpartition(":")
    served.expect(f"PROXY TCP4 {host} 10.5.0.1 {port} 80\r\n".encode())
    exchange(client, served)


@in_network_namespace()
def test_tls_to_where_the_client_wanted_to_go(culvert):
    """The certificate must be for the name that the client asks for, else for the address it dialled."""
    add_address("lo", "10.5.0.1")
    server = Listener(host="10.5.0.1", port=80)
    sections = {**original(tls="up"), "tls up": {"ca_file": authority().file}}
    relay = culvert({**sections, "listen named": {"bind": ":0", "pool": "out", "tls": "down"},
                     "tls down": {"cert": server_identity().pem}}, user=USER)
    plain, named = port_of(relay.address()), port_of(relay.address("named"))
    run_nft(f"""table ip lead {{
        chain output {{
            type nat hook output priority -100;
            meta skuid {USER} return
            ip daddr 10.5.0.1 tcp dport 80 tcp sport < 50000 redirect to :{plain}
            ip daddr 10.5.0.1 tcp dport 80 redirect to :{named}
        }}
    }}""")
    by_address = server_context(authority().issue("ip:10.5.0.1"))
    by_name = server_context(server_identity())

    def dial(*ports):
        set_sysctl("net/ipv4/ip_local_port_range", "{} {}".format(*ports))
        return connect(server.address)

    client = dial(40000, 49999)
    served = answer_tls(server.accept(), by_address)
    exchange(client, served)
    client = start_tls(dial(50000, 59999), name="server.test")
    served = answer_tls(server.accept(), by_name)
    exchange(client, served)

    # The other way round: neither fits.
    client = dial(40000, 49999)
    with pytest.raises(HandshakeFailed):
        answer_tls(server.accept(), by_name)
    client.expect_end(RST)
    assert relay.record_of(client)["reason"] == "server_tls"
    client = start_tls(dial(50000, 59999), name="server.test")
    with pytest.raises(HandshakeFailed):
        answer_tls(server.accept(), by_address)
    record = relay.record_of(client)
    assert (record["reason"], record["sni"]) == ("server_tls", "server.test")
    assert record["server_addr"] == server.address
