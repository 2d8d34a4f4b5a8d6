# SPDX-License-Identifier: Apache-2.0
"""Active checks: a server that dies is down within interval x fall and gets no session, it is back
after rise good checks; servers that lie, dawdle or flood; nothing that culvert lacks is their fault."""
import resource
import threading

from harness.culvert import SANITIZER, relay_to
from harness.peer import (FIN, Blackhole, Listener, NamedServer, Server, connect, read_line,
                          refused_address)
from harness.wait import Stopwatch, duration, limit, span, wait_until
from test_emfile_no_spin import lower_limit


def every(seconds):
    """The keys of checks that begin so often, and have as long to end."""
    return {"interval": duration(seconds), "timeout": duration(seconds), "jitter": "0%"}


def checked(servers, *, pool=None, **health):
    """Sections with a pool of these servers, checked in a hurry."""
    return relay_to(servers, pool={"health": "up", **(pool or {})},
                    **{"health up": {**every(span(0.3)), **health}})


def up(relay, server):
    return relay.metric("culvert_server_up", server=server)


def results(relay, server, result):
    return relay.metric("culvert_health_checks_total", server=server, result=result)


def wait_state(relay, server, state, seconds=10):
    return relay.wait_record(
        lambda one: one.get("event") == "server_state" and one["server"] == server
        and one["to"] == state, seconds, f"{server} to be {state}")


def health_of(relay, server):
    checks = relay.get_json("/api/v1/health")["health"]
    return next(one for one in checks if one["server"] == server)


def test_a_dead_server_is_found_and_comes_back(culvert):
    one, two = NamedServer("one"), NamedServer("two")
    relay = culvert(checked([f"one {one.address}", f"two {two.address}"],
                            pool={"balance": "roundrobin"}))
    wait_until(lambda: results(relay, "one", "ok") >= 2 and results(relay, "two", "ok") >= 2, 10,
               "the first checks")
    port = one.port
    one.close()
    watch = Stopwatch()
    record = wait_state(relay, "one", "down")
    # Three checks, of which the first is due within an interval; culvert's log is looked at late.
    assert watch.seconds() < 3 * span(0.3) + limit(3)
    assert record["from"] == "up" and record["cause"] == "check"
    assert record["detail"] == "connect: Connection refused"
    before = relay.metric("culvert_connects_total", server="one", result="refused")
    for _ in range(10):
        assert read_line(connect(relay.address())) == "two"
    assert relay.metric("culvert_connects_total", server="one", result="refused") == before
    assert relay.metric("culvert_server_state", server="one", state="down") == 1
    assert relay.metric("culvert_server_transitions_total", server="one", to="down",
                        cause="check") == 1
    state = health_of(relay, "one")
    assert state["result"] == "refused" and not state["up"] and state["state"] == "down"

    again = NamedServer("one", port=port)
    wait_state(relay, "one", "up")
    wait_until(lambda: read_line(connect(relay.address())) == "one", 5, "a session on it")
    assert again.total > 0


def test_all_down_is_no_server(culvert):
    relay = culvert(checked([f"one {refused_address()}"], fall=1))
    wait_state(relay, "one", "down")
    connect(relay.address()).read_end()
    relay.wait_record(lambda one: one.get("reason") == "no_server", 5, "a session without a server")


def test_silence_trickle_and_floods_have_an_end(culvert):
    """Each of these accepts and answers; none of them answers PING as Redis does."""
    def trickle(conn):
        for _ in range(600):
            conn.send(b"+")
            if stop.wait(0.05):
                return

    def flood(conn):
        while not stop.is_set():
            conn.send(b"+" * 65536, 1)

    def chatter(conn):
        conn.send(b"220 hello\r\n")
        stop.wait(60)

    stop = threading.Event()
    good = Server(lambda conn: (conn.read(6), conn.send(b"+PONG\r\n"), conn.read_end()))
    servers = {"good": good, "silent": Server(lambda conn: stop.wait(60)),
               "trickle": Server(trickle), "flood": Server(flood), "chatter": Server(chatter),
               "hole": Blackhole()}
    relay = culvert(checked([f"{name} {server.address}" for name, server in servers.items()],
                            type="redis", **every(0.6)))
    causes = {"silent": "answer timeout after 0.6 s", "trickle": "answer timeout after 0.6 s",
              "flood": "no end of the answer within 4096 bytes",
              "chatter": 'no Redis: "220 hello\\r\\n"', "hole": "connect timeout after 0.6 s"}
    try:
        for name, cause in causes.items():
            record = wait_state(relay, name, "down", 15)
            if name != "flood" or not SANITIZER:
                assert record["detail"] == cause
        assert up(relay, "good") == 1
        assert results(relay, "good", "ok") >= 1
        # The checks of the others did not hold those of the good one up.
        before = results(relay, "good", "ok")
        wait_until(lambda: results(relay, "good", "ok") >= before + 3, 10, "further checks")
    finally:
        stop.set()


def test_a_server_that_flaps_less_than_fall_stays(culvert):
    turn = iter(range(1_000_000))

    def answer(conn):
        conn.read(6)
        conn.send(b"+PONG\r\n" if next(turn) % 3 == 0 else b"-LOADING wait\r\n")
        conn.read_end()

    server = Server(answer)
    relay = culvert(checked([f"one {server.address}"], type="redis"))
    wait_until(lambda: results(relay, "one", "answer") >= 5, 15, "bad answers")
    # A machine that stands still for so long that a check times out adds a third bad one in a row.
    if results(relay, "one", "timeout") == 0:
        assert not [one for one in relay.records() if one.get("event") == "server_state"]
        assert up(relay, "one") == 1


def test_a_check_ends_politely(culvert):
    server = Server()
    culvert(checked([server.address], type="expect", send='"hello\\x00"', expect='"bye"'))
    wait_until(lambda: server.seen and server.seen[0].end, 10, "the end of a check")
    # It never got its answer: the timeout ends it, by an end and not by a reset.
    assert server.seen[0].received == b"hello\0"
    assert server.seen[0].end == FIN


def test_a_proxy_header_and_another_port(culvert):
    session, check = NamedServer("one"), Server()
    relay = culvert(checked([f"one {session.address} health_port={check.port}"], type="redis",
                            send_proxy=True))
    wait_until(lambda: check.seen and check.seen[0].end, 10, "a check")
    header = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
    assert check.seen[0].received == header + b"PING\r\n"
    assert session.total == 0
    wait_state(relay, "one", "down")


def test_initial_down_waits_for_the_first_good_check(culvert):
    dead, good = Listener(listening=False), NamedServer("good")
    relay = culvert(checked([f"dead {dead.address}", f"good {good.address}"], initial="down",
                            rise=5))
    wait_state(relay, "good", "up")
    assert results(relay, "good", "ok") >= 1
    assert up(relay, "dead") == 0
    assert read_line(connect(relay.address())) == "good"


def test_good_checks_end_an_ejection(culvert):
    """The server's port for sessions is dead and is ejected; its checks, on another port, are good
    and take it back long before fail_timeout."""
    check, good = Server(), NamedServer("good")
    relay = culvert(checked([f"one {refused_address()} health_port={check.port}",
                             f"good {good.address}"],
                            pool={"balance": "first", "max_fails": 1, "fail_timeout": "1h"}))
    wait_until(lambda: results(relay, "one", "ok") >= 1, 10, "a check")
    assert read_line(connect(relay.address())) == "good"
    wait_state(relay, "one", "ejected")
    record = wait_state(relay, "one", "up")
    assert record["from"] == "ejected" and record["cause"] == "check"


def test_without_descriptors_no_server_is_blamed(culvert):
    server = NamedServer("one")
    relay = culvert(checked([f"one {server.address}"], **every(span(0.2)), fall=1))
    wait_until(lambda: results(relay, "one", "ok") >= 1, 10, "a check")
    address = relay.address()
    hard = lower_limit(relay, 0)
    clients = [connect(address) for _ in range(4)]
    before = server.total
    # The reserve serves the checks, although the API and the sessions have nothing left.
    wait_until(lambda: server.total >= before + 6, 15, "checks without a free descriptor")
    assert not [one for one in relay.records() if one.get("event") == "server_state"]
    resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (hard, hard))
    for client in clients:
        assert read_line(client) == "one"
    assert up(relay, "one") == 1
