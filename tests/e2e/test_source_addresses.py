# SPDX-License-Identifier: Apache-2.0
"""`source`: sessions leave from the pool's own addresses, in turn; ports that run out on one are
found on the next, and are never the server's fault."""
import collections

from harness.culvert import relay_to, run_culvert
from harness.netns import Neighbour, add_address, in_network_namespace, set_sysctl
from harness.peer import RST, Listener, connect, exchange, refused_address
from harness.wait import wait_until


def source_of(served):
    return served.peer_name().rpartition(":")[0].strip("[]")


def test_in_turn(culvert):
    server = Listener()
    relay = culvert(relay_to(server, pool={"source": "127.0.3.1 127.0.3.2, 127.0.3.3"}))
    seen = []
    for _ in range(6):
        client = connect(relay.address())
        served = server.accept()
        seen.append(source_of(served))
        exchange(client, served)
    assert len(set(seen[:3])) == 3
    assert seen[:3] == seen[3:]
    assert set(seen) == {"127.0.3.1", "127.0.3.2", "127.0.3.3"}


@in_network_namespace()
def test_each_family_has_its_own(culvert):
    add_address("lo", "fd00:5::1")
    four, six = Listener("v4"), Listener("v6")
    relay = culvert(relay_to([four, six], pool={"source": "127.0.3.1 fd00:5::1",
                                                "balance": "roundrobin"}))
    for _ in range(2):
        connect(relay.address())
    assert source_of(four.accept()) == "127.0.3.1"
    assert source_of(six.accept()) == "fd00:5::1"


def test_a_family_without_one_is_left_to_the_kernel(culvert):
    server = Listener("v6")
    relay = culvert(relay_to(server, pool={"source": "127.0.3.1"}))
    exchange(connect(relay.address()), server.accept())


@in_network_namespace()
def test_ports_of_two_addresses(culvert):
    """Twenty ports on each of two addresses carry forty sessions; the next ones are refused, and served
    as soon as one has ended (CN6). The clients have ports of their own."""
    clients = Neighbour(1)
    server = Listener()
    relay = culvert(relay_to(server, listen={"bind": "10.1.0.1:0"},
                             pool={"source": "127.0.3.1 127.0.3.2"}))
    address = relay.address()
    set_sysctl("net/ipv4/ip_local_port_range", "42000 42019")
    live, refused = [], []
    for _ in range(44):
        client = clients.call(connect, address)
        served, end = client.outcome(server)
        if served:
            live.append((client, served))
        else:
            assert end == RST
            refused.append(client)
    counts = collections.Counter(source_of(served) for _, served in live)
    assert counts == {"127.0.3.1": 20, "127.0.3.2": 20}
    assert {relay.record_of(client)["reason"] for client in refused} == {"ports_exhausted"}
    relay.wait_metric("culvert_connects_total", len(refused), result="ports_exhausted")
    assert relay.metric("culvert_server_up") == 1
    client, served = live.pop()
    served.rst()
    client.expect_end(RST)
    wait_until(lambda: relay.sessions_total() == len(live), 5, "one session to end")
    client = clients.call(connect, address)
    exchange(client, server.accept())
    clients.close()


@in_network_namespace()
def test_an_address_that_is_not_there(culvert):
    """It is passed over as long as another one will do; alone it ends the session with its reason."""
    server = Listener()
    relay = culvert(relay_to(server, pool={"source": "192.0.2.7 127.0.3.2", "max_fails": 1}))
    for _ in range(4):
        client = connect(relay.address())
        served = server.accept()
        assert source_of(served) == "127.0.3.2"
        exchange(client, served)
    event = relay.wait_record(lambda one: one.get("event") == "source_failed")
    assert event["source"].startswith("192.0.2.7") and event["errno"] == "EADDRNOTAVAIL"
    assert "no interface" in event["message"]

    relay = culvert(relay_to([server, Listener()], pool={"source": "192.0.2.7", "max_fails": 1,
                                                         "balance": "first"}))
    client = connect(relay.address())
    client.expect_end(RST)
    record = relay.record_of(client)
    assert (record["reason"], record["errno"]) == ("source_failed", "EADDRNOTAVAIL")
    assert record["retries"] == 1
    assert relay.metric("culvert_server_up") == 2
    # It comes to the machine: nothing has to be started again.
    add_address("lo", "192.0.2.7")
    client = connect(relay.address())
    served, _ = client.outcome(server)
    assert served and source_of(served) == "192.0.2.7"
    exchange(client, served)


@in_network_namespace()
def test_an_address_that_does_not_lead_to_the_server(culvert):
    """A loopback address cannot reach another machine: no fault of that machine."""
    machine = Neighbour(1)
    server = machine.call(Listener, host=machine.v4)
    relay = culvert(relay_to(server, pool={"source": "127.0.3.1"}))
    client = connect(relay.address())
    client.expect_end(RST)
    record = relay.record_of(client)
    assert (record["reason"], record["errno"]) == ("source_failed", "EINVAL")
    relay.wait_metric("culvert_connects_total", 1, result="source_failed")
    assert server.nobody_came()
    machine.close()


def test_each_servers_connects_by_result(culvert):
    """`ctl pools` tells a server that refuses from an address that cannot be used."""
    server = Listener()
    relay = culvert({**relay_to([refused_address(), server.address],
                                pool={"balance": "first", "max_fails": "off"}),
                     "listen other": {"bind": "127.0.0.1:0", "pool": "far"},
                     "pool far": {"server": server.address, "source": "192.0.2.7"}})
    for _ in range(4):
        exchange(connect(relay.address()), server.accept())
    connect(relay.address("other")).expect_end(RST)

    def rows():
        done = run_culvert("ctl", "--socket", relay.socket_path, "pools")
        title, *lines = [line.split("\t") for line in done.stdout.splitlines()]
        return sorted(line[title.index("CONNECTS")] for line in lines)

    wait_until(lambda: rows() == ["ok=4", "refused=4", "source_failed=1"], 5, rows)
