# SPDX-License-Identifier: Apache-2.0
"""accept, socket, connect, epoll_ctl and pipe fail for want of memory or descriptors: no crash, no
spin, nothing leaks, and new sessions work as soon as the kernel is willing again (RX3)."""
import collections

import pytest

from harness.crowd import CLIENT_FIRST, Crowd, plans
from harness.culvert import SANITIZER, relay_to
from harness.peer import Listener, connect, exchange
from harness.strace import inject, needs_strace

pytestmark = needs_strace


@pytest.mark.parametrize("errno", ["ENFILE", "ENOBUFS", "ENOMEM", "EMFILE"])
def test_accept_fails(culvert, errno):
    server = Listener()
    relay = culvert(relay_to(server), wrapper=inject(f"accept4:error={errno}:when=1..3"))
    before = relay.cpu_s()
    client = connect(relay.address())
    served = server.accept(5)
    exchange(client, served)
    if not SANITIZER:
        assert relay.cpu_s() - before < 0.2
    relay.wait_metric_from("culvert_accept_errors_total", 1, errno=errno)


@pytest.mark.parametrize("rule", [
    "socket:error=ENOBUFS", "socket:error=ENOMEM", "connect:error=ENOMEM", "connect:error=ENOBUFS"])
def test_no_resources_for_the_server_side(culvert, rule):
    """Every third call fails in the worker (strace counts for each thread by itself). Sessions that
    meet it end with no_resources, the others are served, and the server is not blamed."""
    server = Listener()
    relay = culvert(relay_to(server), wrapper=inject(f"{rule}:when=2+3"), wait_ready=False)
    relay.wait_ready()
    ended = collections.Counter()
    for _ in range(12):
        client = connect(relay.address())
        served, _ = client.outcome(server)
        if served:
            exchange(client, served)
            client.rst()
            served.rst()
            ended["served"] += 1
        else:
            ended[relay.record_of(client)["reason"]] += 1
    assert ended["no_resources"] >= 2 and ended["served"] >= 4, ended
    assert set(ended) == {"served", "no_resources"}
    assert relay.metric("culvert_server_up") == 1


@pytest.mark.parametrize("errno", ["EMFILE", "ENFILE"])
def test_no_descriptor_for_the_server_side(culvert, errno):
    """Every third socket finds no descriptor: the slack serves, nobody is refused."""
    server = Listener()
    relay = culvert(relay_to(server), wrapper=inject(f"socket:error={errno}:when=2+3"))
    for _ in range(12):
        client = connect(relay.address())
        served = server.accept(5)
        exchange(client, served)
        client.rst()
        served.rst()
    relay.wait_idle()
    assert relay.metric("culvert_sessions_closed_total", reason="no_resources") == 0
    assert relay.metric("culvert_server_up") == 1


@pytest.mark.parametrize("rule", ["pipe2:error=EMFILE", "pipe2:error=ENFILE", "splice:error=EINVAL"])
def test_no_pipe_means_copy(culvert, rule):
    """Without pipes, or without splice, everything is copied and stays exact (RX5)."""
    server = Listener()
    relay = culvert(relay_to(server), wrapper=inject(rule))
    Crowd(relay.address(), server, chunk=(100_000, 200_000), read_size=(100_000, 200_000)).run(
        plans(6, size=(300_000, 900_000), endings=[CLIENT_FIRST])).check()
    metrics = relay.metrics()
    assert metrics.value("culvert_relayed_bytes_total", path="splice") == 0
    assert metrics.value("culvert_relayed_bytes_total", path="copy") > 1_000_000


def test_epoll_ctl_fails(culvert):
    server = Listener()
    relay = culvert(relay_to(server), wrapper=inject("epoll_ctl:error=ENOMEM:when=12+9"),
                    control_may_fail=True)
    address = relay.address()
    served_count = 0
    for _ in range(30):
        client = connect(address)
        served, _ = client.outcome(server)
        if served:
            served_count += 1
            client.discard()
            served.discard()
    assert served_count >= 10
    assert {one["reason"] for one in relay.session_records()} <= {
        "no_resources", "client_reset", "client_left", "server_reset"}
