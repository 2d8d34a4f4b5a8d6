# SPDX-License-Identifier: Apache-2.0
"""Limits and rates per source address and of all connections: who is beyond one is refused and counted
under the limit that fired; nobody else notices (FL2, FL3, FL4, FL6)."""
import time

import pytest

from harness.culvert import relay_to
from harness.peer import FIN, RST, EchoServer, Listener, connect, exchange
from harness.wait import wait_until

REJECTED = "culvert_connections_rejected_total"


def pair_from(relay, server, source):
    client = connect(relay.address(), source=source)
    return client, server.accept()


@pytest.mark.parametrize("where", ["listener", "process"])
@pytest.mark.parametrize("action,end", [("pause", RST), ("reset", RST), ("close", FIN)])
def test_connections_of_one_source(culvert, where, action, end):
    server = Listener()
    cap = {"max_connections_per_ip": 3}
    relay = culvert(relay_to(server, listen=cap if where == "listener" else {}),
                    limits={"on_limit": action, **(cap if where == "process" else {})}, workers=2)
    live = [pair_from(relay, server, "127.0.0.2") for _ in range(3)]
    for _ in range(10):
        client = connect(relay.address(), source="127.0.0.2")
        client.expect_end(end)
        client.close()
    live += [pair_from(relay, server, "127.0.0.3") for _ in range(3)]
    for client, served in live:
        exchange(client, served)
    wait_until(lambda: relay.metric(REJECTED, reason="limit_ip") == 10, 5, "the refusals to be counted")
    assert relay.metric(REJECTED) == 10
    assert relay.metric("culvert_tracked_ips") == 2
    record = relay.wait_record(lambda one: one.get("event") == "session_end" and one["reason"] == "limit")
    assert record["client"].startswith("127.0.0.2:")
    client, served = live.pop(0)
    client.rst()
    served.wait_reset()
    wait_until(lambda: relay.sessions_total() == 5, 5, "a place to be free")
    live.append(pair_from(relay, server, "127.0.0.2"))
    for client, served in live:
        client.rst()
        served.wait_reset()
    wait_until(lambda: relay.metric("culvert_tracked_ips") == 0, 5, "the sources to be forgotten")


def test_ipv6_clients_count_by_prefix_and_mapped_ones_as_ipv4(culvert):
    server = Listener()
    relay = culvert(relay_to(server, listen={"bind": "[::]:0", "max_connections_per_ip": 1}))
    port = relay.address().rsplit(":", 1)[1]
    for address in (f"127.0.0.1:{port}", f"[::1]:{port}"):
        client = connect(address)
        served = server.accept()
        connect(address).expect_end(RST)
        exchange(client, served)
        client.rst()
        served.wait_reset()
        wait_until(lambda: relay.sessions_total() == 0, 5, "the place to be free")
    wait_until(lambda: relay.metric(REJECTED, reason="limit_ip") == 2, 5, "the refusals to be counted")


def test_rate_of_one_source(culvert):
    server = EchoServer()
    relay = culvert(relay_to(server, listen={"connection_rate_per_ip": "5/s"}), workers=2)
    began = time.monotonic()
    tried = 60
    for _ in range(tried):
        connect(relay.address(), source="127.0.0.2").close()
    wait_until(lambda: relay.accepted_total() + relay.metric(REJECTED, reason="rate_ip") == tried, 5,
               "all to be counted")
    most = 5 + 5 * (time.monotonic() - began) + 1
    assert 5 <= relay.accepted_total() <= most
    assert relay.metric(REJECTED) == relay.metric(REJECTED, reason="rate_ip")
    client = connect(relay.address(), source="127.0.0.3")
    client.send(b"ping")
    client.expect(b"ping")


def test_rate_refuses(culvert):
    server = EchoServer()
    relay = culvert(relay_to(server), limits={"connection_rate": "20/s", "on_limit": "reset"}, workers=2)
    began = time.monotonic()
    tried = 100
    for _ in range(tried):
        connect(relay.address()).close()
    wait_until(lambda: relay.accepted_total() + relay.metric(REJECTED, reason="rate") == tried, 5,
               "all to be counted")
    # Two at once, 20 a second, and one that each worker may have let in at the same moment.
    assert 2 <= relay.accepted_total() <= 2 + 20 * (time.monotonic() - began) + 2
    assert relay.metric(REJECTED, reason="rate") == relay.metric(REJECTED) > 0


def test_rate_pauses(culvert):
    """Nobody is refused: who comes too fast waits in the kernel's queue."""
    server = EchoServer()
    relay = culvert(relay_to(server, listen={"connection_rate": "20/s"}))
    began = time.monotonic()
    clients = [connect(relay.address()) for _ in range(24)]
    for client in clients:
        client.send(b"ping")
    cpu_before = relay.cpu_s()
    for client in clients:
        client.expect(b"ping")
    took = time.monotonic() - began
    assert took >= (24 - 2) / 20 - 0.1
    assert relay.cpu_s() - cpu_before < 0.2 + took / 10, "waiting spins"
    assert relay.metric(REJECTED) == 0


def test_full_table_keeps_counting_who_is_there(culvert):
    server = Listener()
    relay = culvert(relay_to(server), limits={"max_connections_per_ip": 1, "tracked_ips": 16,
                                              "connection_rate_per_ip": "1/s"})
    live = pair_from(relay, server, "127.0.1.1")
    for number in range(2, 60):
        client, served = pair_from(relay, server, f"127.0.1.{number}")
        client.rst()
        served.wait_reset()
        wait_until(lambda: relay.sessions_total() == 1, 5, "the session to end")
    assert relay.metric("culvert_tracked_ips") == 16
    assert relay.metric("culvert_tracked_ips_forgotten_total") == 0
    connect(relay.address(), source="127.0.1.1").expect_end(RST)
    exchange(*live)
