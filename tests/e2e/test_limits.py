# SPDX-License-Identifier: Apache-2.0
"""Connection limits of the process and of a listener, and what happens beyond them: `pause` leaves
clients in the kernel's queue, `reset` and `close` refuse them at once (FL1)."""
import contextlib
import socket
import statistics
import threading

import pytest

from harness.culvert import relay_to
from harness.peer import FIN, RST, Listener, connect, exchange, pair, parse_address
from harness.wait import Stopwatch, limit, wait_until


@pytest.mark.parametrize("where", ["listener", "process"])
@pytest.mark.parametrize("action,end", [("reset", RST), ("close", FIN)])
def test_refused_beyond_the_limit(culvert, where, action, end):
    server = Listener()
    listen = {"max_connections": 3} if where == "listener" else {}
    limits = {"on_limit": action, **({"max_connections": 3} if where == "process" else {})}
    relay = culvert(relay_to(server, listen=listen), limits=limits, workers=2)
    live = [pair(relay, server) for _ in range(3)]
    times = []
    for _ in range(20):
        watch = Stopwatch()
        client = connect(relay.address())
        client.expect_end(end)
        times.append(watch.seconds())
        client.close()
    assert statistics.median(times) < limit(0.2), times
    for client, served in live:
        exchange(client, served)
    relay.wait_metric("culvert_connections_rejected_total", 20, reason="limit")
    assert relay.sessions_total() == 3
    client, served = live.pop()
    client.fin()
    served.expect_end(FIN)
    served.close()
    client.expect_end(FIN)
    relay.wait_places(2)
    client, served = pair(relay, server)
    exchange(client, served)


@pytest.mark.parametrize("where", ["listener", "process"])
@pytest.mark.parametrize("action", ["reset", "close"])
def test_nobody_is_refused_while_a_place_is_free(culvert, where, action):
    """Clients come to all workers at once, as many as there are places: a worker that looks whether
    there is one more takes no place for it, not for a moment."""
    places = 6
    server = Listener()
    listen = {"max_connections": places} if where == "listener" else {}
    limits = {"on_limit": action, **({"max_connections": places} if where == "process" else {})}
    relay = culvert(relay_to(server, listen=listen), limits=limits, workers=4)
    address = relay.address()
    for _ in range(150):
        clients = [connect(address, wait=False) for _ in range(places)]
        served = [server.accept() for _ in range(places)]
        for conn in clients + served:
            conn.rst()
        relay.wait_places(0)
    assert relay.metric("culvert_connections_rejected_total") == 0


@pytest.mark.parametrize("what", ["denied", "limit_ip"])
def test_who_is_refused_for_himself_holds_no_place(culvert, what):
    """One client has half of the two places. While others that a rule or the limit of their source
    refuses keep coming to all workers, the other place is free for everybody else, always."""
    server = Listener()
    listen = {"deny": "127.0.0.2"} if what == "denied" else {"max_connections_per_ip": 1}
    relay = culvert(relay_to(server, listen=listen), workers=4,
                    limits={"max_connections": 2, "on_limit": "reset"})
    address = relay.address()
    over = threading.Event()

    def keep_coming():
        while not over.is_set():
            with contextlib.suppress(OSError), socket.socket() as sock:
                sock.bind(("127.0.0.2", 0))
                sock.connect(parse_address(address)[1])
                sock.recv(1)

    if what == "limit_ip":
        connect(address, source="127.0.0.2")
        server.accept()
    flood = [threading.Thread(target=keep_coming) for _ in range(4)]
    for thread in flood:
        thread.start()
    try:
        relay.wait_metric_from("culvert_connections_rejected_total", 20, reason=what)
        for _ in range(50):
            client = connect(address)
            server.accept().rst()
            client.expect_end(RST)
            client.close()
            relay.wait_places(1 if what == "limit_ip" else 0)
    finally:
        over.set()
        for thread in flood:
            thread.join()
    assert relay.metric("culvert_connections_rejected_total", reason="limit") == 0


@pytest.mark.parametrize("where", ["listener", "process"])
def test_pause_at_the_limit(culvert, where):
    server = Listener()
    listen = {"max_connections": 2} if where == "listener" else {}
    limits = {"on_limit": "pause", **({"max_connections": 2} if where == "process" else {})}
    relay = culvert(relay_to(server, listen=listen), limits=limits, workers=2)
    live = [pair(relay, server) for _ in range(2)]
    waiting = [connect(relay.address()) for _ in range(5)]
    for number, client in enumerate(waiting):
        client.send(b"%d" % number)
    before = relay.cpu_s()
    assert server.nobody_came(0.4)
    assert relay.cpu_s() - before < 0.1, "waiting at the limit spins"
    assert relay.sessions_total() == 2
    assert relay.metric("culvert_connections_rejected_total") == 0
    seen = set()
    for _ in range(5):
        client, served = live.pop(0)
        client.rst()
        served.wait_reset()
        watch = Stopwatch()
        served = server.accept()
        assert watch.seconds() < limit(3)
        number = int(served.read(1))
        seen.add(number)
        live.append((waiting[number], served))
    assert seen == set(range(5))


def test_two_listeners_have_limits_of_their_own(culvert):
    server = Listener()
    relay = culvert({
        "limits": {"on_limit": "reset"},
        "listen one": {"bind": "127.0.0.1:0", "server": server.address, "max_connections": 1},
        "listen two": {"bind": "127.0.0.1:0", "server": server.address, "max_connections": 1}})
    for name in ("one", "two"):
        client, served = pair(relay, server, name)
        exchange(client, served)
        connect(relay.address(name)).expect_end(RST)
    for name in ("one", "two"):
        relay.wait_metric("culvert_connections_rejected_total", 1, listener=name, reason="limit")


@pytest.mark.parametrize("workers", [1, 4])
def test_flood_beyond_the_limit(culvert, workers):
    """4,000 connects from many addresses, at most 200 sessions: never more, the rest is refused
    fast, and the counters agree."""
    server = Listener()
    relay = culvert(relay_to(server), workers=workers,
                    limits={"max_connections": 200, "on_limit": "reset"})
    address = relay.address()
    most = 0
    clients = []
    for number in range(4000):
        source = f"127.{1 + number % 200}.{number % 250}.1"
        clients.append(connect(address, source=source))
        if number % 100 == 0:
            most = max(most, relay.sessions_total())
        if len(clients) >= 2000:
            for client in clients[:1000]:
                client.rst()
            del clients[:1000]
    assert most <= 200

    def balanced():
        metrics = relay.metrics()
        accepted = metrics.value("culvert_connections_accepted_total")
        rejected = metrics.value("culvert_connections_rejected_total")
        return rejected > 1000 and accepted + rejected >= 4000 or accepted >= 4000

    wait_until(balanced, 5, lambda: f"counters: {relay.metrics().text}")
    for client in clients:
        client.discard()
    relay.wait_idle()
    client = connect(relay.address())
    client.send(b"?")
    while not says_something(server.accept()):
        pass  # one the flood left in the server's queue, which was reset


def says_something(conn):
    try:
        return conn.read_some() == b"?"
    except ConnectionResetError:
        return False
