# SPDX-License-Identifier: Apache-2.0
"""`queue_size`: sessions that find every server full wait, in their order, until a place is free."""
import pytest

from harness.culvert import relay_to
from harness.peer import (FIN, RST, EchoServer, Listener, NamedServer, connect, exchange, read_line,
                          refused_address)
from harness.wait import Stopwatch, limit, stays_true, wait_until


def queueing(server, **pool):
    keys = {"max_connections": 1, "queue_size": 100, "queue_timeout": "60s", **pool}
    return relay_to(server, pool=keys, listen={"half_close_timeout": "60s"})


def waiting(relay):
    return relay.get_json("/api/v1/pools")["pools"][0]["waiting"]


def wait_in_line(relay, count):
    """`count` clients that wait, in the order of the list."""
    clients = []
    before = waiting(relay)
    for number in range(count):
        clients.append(connect(relay.address()))
        wait_until(lambda: waiting(relay) == before + number + 1, 5, "the session to wait")
    return clients


def test_order(culvert):
    """First come, first served, over two workers; each has its bytes kept for it."""
    server = Listener()
    relay = culvert(queueing(server), workers=2)
    first = connect(relay.address())
    served = server.accept()
    exchange(first, served)
    clients = wait_in_line(relay, 8)
    for number, client in enumerate(clients):
        client.send(b"%d" % number)
    assert relay.metric("culvert_queue_length", pool="servers") == 8
    assert {one["phase"] for one in relay.sessions()} == {"relay", "queue"}
    first.close()
    for number, client in enumerate(clients):
        served.read_end()
        served.close()
        served = server.accept()
        served.expect(b"%d" % number)
        served.send(b"!")
        client.expect(b"!")
        client.close()
    served.read_end()
    served.close()
    for client in clients:
        record = relay.record_of(client)
        assert record["reason"] == "done" and record["queue_s"] > 0, record
    # Who comes last has waited while all others connected; what a connect took is not its wait.
    records = [relay.record_of(client) for client in clients]
    assert sum(one["connect_s"] for one in records[:-1]) < records[-1]["queue_s"], records
    assert relay.record_of(first)["queue_s"] == 0
    metrics = relay.metrics()
    assert metrics.value("culvert_queue_length", pool="servers") == 0
    assert metrics.value("culvert_queue_wait_seconds_count", pool="servers") == 8


def test_newcomers_do_not_overtake(culvert):
    """While somebody waits, whoever comes goes to the end of the queue, on every worker."""
    server = NamedServer("one")
    relay = culvert(queueing(server), workers=2)
    holder = connect(relay.address())
    read_line(holder)
    clients = wait_in_line(relay, 4)
    holder.close()
    for number, client in enumerate(clients):
        assert read_line(client) == "one"
        late = connect(relay.address())
        assert all(one.is_silent(0.01) for one in [*clients[number + 1:], late])
        late.rst()
        client.close()


def test_queue_is_full(culvert):
    server = NamedServer("one")
    relay = culvert(queueing(server, queue_size=2))
    holder = connect(relay.address())
    read_line(holder)
    wait_in_line(relay, 2)
    extra = connect(relay.address())
    extra.expect_end(RST)
    record = relay.record_of(extra)
    assert (record["reason"], record["first"], record["phase"]) == ("queue_full", "culvert", "connect")


def test_queue_timeout(culvert):
    server = NamedServer("one")
    relay = culvert(queueing(server, queue_timeout="300ms"))
    holder = connect(relay.address())
    read_line(holder)
    watch = Stopwatch()
    late = connect(relay.address())
    late.expect_end(RST)
    assert 0.29 <= watch.seconds() < limit(5)
    record = relay.record_of(late)
    assert (record["reason"], record["phase"]) == ("queue_timeout", "queue")
    assert 0.29 <= record["queue_s"] < limit(5)
    assert waiting(relay) == 0
    # Nobody waits any more: the place goes to whoever comes.
    holder.close()
    wait_until(lambda: relay.sessions_total() == 0, 5, "the session to be over")
    assert read_line(connect(relay.address())) == "one"


@pytest.mark.parametrize("sent", [b"", b"hello"])
def test_client_resets_while_it_waits(culvert, sent):
    """It leaves the queue, whatever it has sent before, and the next one moves up."""
    server = NamedServer("one")
    relay = culvert(queueing(server), workers=2)
    holder = connect(relay.address())
    read_line(holder)
    gone, stays = wait_in_line(relay, 2)
    gone.send(sent)
    gone.rst()
    record = relay.record_of(gone)
    assert (record["reason"], record["first"], record["phase"]) == ("client_left", "client", "queue")
    wait_until(lambda: waiting(relay) == 1, 5, "it to have left the queue")
    holder.close()
    assert read_line(stays) == "one"


def test_client_ends_its_stream_while_it_waits(culvert):
    """An end of stream is no wish to leave: what it sent and the end are delivered, and the answer comes."""
    server = EchoServer()
    relay = culvert(queueing(server))
    holder = connect(relay.address())
    holder.send(b"x")
    holder.expect(b"x")
    client, = wait_in_line(relay, 1)
    client.send(b"all of it")
    client.fin()
    stays_true(lambda: waiting(relay) == 1, 0.1, "the session's place in the queue")
    holder.close()
    client.expect_end(FIN, b"all of it")
    assert relay.record_of(client)["reason"] == "done"


def test_failing_connect_frees_its_place(culvert):
    """The place of an attempt that failed goes to who waits, and each gets its own answer."""
    relay = culvert(queueing(refused_address(), max_fails=0, connect_retries=0), workers=2)
    clients = [connect(relay.address()) for _ in range(20)]
    for client in clients:
        client.expect_end(RST)
        assert relay.record_of(client)["reason"] == "connect_refused"
    assert waiting(relay) == 0


def test_waiter_tries_the_other_server(culvert):
    """A server that refuses is left for one that is full: the session waits for that one."""
    server = NamedServer("good")
    relay = culvert(queueing([f"bad {refused_address()} max_connections=0", f"good {server.address}"],
                             max_fails=0, connect_retries=2, balance="first"))
    holder = connect(relay.address())
    assert read_line(holder) == "good"
    client, = wait_in_line(relay, 1)
    assert client.is_silent(0.05)
    holder.close()
    assert read_line(client) == "good"
    client.close()
    record = relay.record_of(client)
    assert (record["reason"], record["server"], record["retries"]) == ("done", "good", 1)


def test_waiter_gets_a_server_that_is_back(culvert):
    """While the only usable server is full, who waits has the trial of the one that was ejected, once
    its time has come: nobody else has to come or go for it."""
    good, late = NamedServer("good"), Listener(listening=False)
    relay = culvert(queueing([f"late {late.address}", f"good {good.address}"], balance="first",
                             max_fails=1, fail_timeout="1500ms"), workers=2)
    holder = connect(relay.address())
    assert read_line(holder) == "good"
    NamedServer("late", port=late.port)
    client = connect(relay.address())
    assert read_line(client, 15) == "late"
    wait_until(lambda: relay.metric("culvert_server_up", server="late") == 1, 5, "the server to be up")


def test_many_clients_of_few_places(culvert):
    """400 short sessions through 4 places on two workers: none is lost, never are there more than 4."""
    server = NamedServer("few")
    relay = culvert(queueing(server, max_connections=4, queue_size=1000), workers=2)
    clients = [connect(relay.address(), wait=False) for _ in range(400)]
    served = set()
    most = 0

    def serve():
        nonlocal most
        most = max(most, server.open)
        for client in clients:
            if client not in served and client.try_read():
                served.add(client)
                client.close()
        return len(served) == len(clients)

    wait_until(serve, 30, lambda: f"all to be served; {len(served)} were, {waiting(relay)} wait")
    assert most <= 4
    wait_until(lambda: relay.metric("culvert_sessions_closed_total", reason="done") == 400, 10,
               "all sessions to end well")


def test_killed_while_it_waits(culvert):
    server = NamedServer("one")
    relay = culvert(queueing(server))
    holder = connect(relay.address())
    read_line(holder)
    client, = wait_in_line(relay, 1)
    session, = relay.sessions("?phase=queue")
    assert relay.get("/api/v1/sessions/" + session["id"], method="DELETE")[0] == 200
    client.expect_end(RST)
    assert relay.record_of(client)["reason"] == "killed"
    wait_until(lambda: waiting(relay) == 0, 5, "the queue to be empty")


def test_drain_serves_those_who_wait(culvert):
    """TERM: nobody new comes in, but who waits is served before drain_timeout, and cut at its end."""
    server = NamedServer("one")
    relay = culvert({**queueing(server), "culvert": {"drain_timeout": f"{limit(2):.1f}s"}}, workers=2)
    holder = connect(relay.address())
    read_line(holder)
    first, second = wait_in_line(relay, 2)
    relay.send_signal(15)
    relay.wait_record(lambda one: one.get("event") == "drain_started")
    holder.close()
    assert read_line(first) == "one"
    second.expect_end(RST, seconds=10)
    first.expect_end(RST)
    assert relay.wait_exit(30) == 75
    assert relay.record_of(second)["reason"] == "drained"


def test_stop_ends_those_who_wait(culvert):
    server = NamedServer("one")
    relay = culvert(queueing(server), workers=2)
    holder = connect(relay.address())
    read_line(holder)
    clients = wait_in_line(relay, 3)
    assert relay.stop() == 0
    for client in clients:
        client.expect_end(RST)
        assert relay.record_of(client)["reason"] == "drained"
