# SPDX-License-Identifier: Apache-2.0
"""One session for each close reason: the record and the counter say the same word. The list of
reasons is the relay's own (every series exists from the start), so a new one needs a test."""
import signal
import subprocess

from harness.culvert import relay_to
from harness.netns import add_address, in_network_namespace
from harness.peer import (FIN, RST, Blackhole, Listener, NamedServer, connect, exchange, pair,
                          read_line, refused_address)
from harness.strace import inject, needs_strace
from harness.tls import TC, TS, Plane
from harness.wait import duration, span, wait_until

# Nobody can cause this from outside.
NOT_REACHABLE = {"internal"}
TESTED = set()


def reason(word):
    """Marks the test that shows `word`."""
    TESTED.add(word)
    return lambda test: test


def check(relay, client, word, phase=None):
    record = relay.record_of(client)
    assert record["reason"] == word, record
    if phase:
        assert record["phase"] == phase, record
    wait_until(lambda: relay.metric("culvert_sessions_closed_total", reason=word) == 1, 2,
               f"culvert_sessions_closed_total{{reason={word}}}")
    relay.wait_metric("culvert_sessions_closed_total", 1)
    return record


def start(start_culvert, **options):
    server = Listener()
    relay = start_culvert(relay_to(server, **options))
    client, served = pair(relay, server)
    exchange(client, served)
    return relay, client, served


@reason("killed")
def test_killed(culvert):
    relay, client, served = start(culvert)
    session = relay.sessions()[0]["id"]
    status, text = relay.get(f"/api/v1/sessions/{session}", method="DELETE")
    assert (status, text) == (200, '{"killed":1}\n')
    client.expect_end(RST)
    served.expect_end(RST)
    check(relay, client, "killed", "relay")


@reason("done")
def test_done(culvert):
    relay, client, served = start(culvert)
    client.fin()
    served.close()
    client.expect_end(FIN)
    record = check(relay, client, "done", "relay")
    assert (record["errno"], record["first"], record["waited_for"]) == ("", "client", "")


@reason("client_left")
def test_client_left(culvert):
    relay = culvert(relay_to(Blackhole(), defaults={"connect_timeout": "1m"}))
    client = connect(relay.address())
    wait_until(lambda: relay.sessions("?phase=connect"), 3, "the session")
    client.rst()
    check(relay, client, "client_left", "connect")


@reason("client_reset")
def test_client_reset(culvert):
    relay, client, served = start(culvert)
    client.rst()
    served.expect_end(RST)
    record = check(relay, client, "client_reset", "relay")
    assert (record["errno"], record["first"]) == ("ECONNRESET", "client")


@reason("server_reset")
def test_server_reset(culvert):
    relay, client, served = start(culvert)
    served.rst()
    client.expect_end(RST)
    record = check(relay, client, "server_reset", "relay")
    assert (record["errno"], record["first"]) == ("ECONNRESET", "server")


DEAD = {"keepalive": "1s", "keepalive_interval": "1s", "keepalive_probes": 1, "user_timeout": "1s",
        "stall_timeout": "30s"}


def vanish(address):
    """From now on no packet reaches `address`, and none comes back."""
    subprocess.run(["ip", "addr", "del", f"{address}/32", "dev", "lo"], check=True)
    subprocess.run(["ip", "route", "add", "blackhole", f"{address}/32"], check=True)


@reason("client_dead")
@in_network_namespace()
def test_client_dead(culvert):
    add_address("lo", "10.9.9.1")
    server = Listener()
    relay = culvert(relay_to(server, defaults=DEAD))
    client = connect(relay.address(), source="10.9.9.1")
    served = server.accept()
    exchange(client, served)
    vanish("10.9.9.1")
    served.send(b"anybody there?")
    served.expect_end(RST, seconds=15)
    record = check(relay, client, "client_dead", "relay")
    assert record["errno"] in ("ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH")


@reason("server_dead")
@in_network_namespace()
def test_server_dead(culvert):
    add_address("lo", "10.9.9.2")
    server = Listener(host="10.9.9.2")
    relay = culvert(relay_to(server, defaults=DEAD))
    client, served = pair(relay, server)
    exchange(client, served)
    vanish("10.9.9.2")
    client.expect_end(RST, seconds=15)  # keepalive alone finds out
    record = check(relay, client, "server_dead", "relay")
    assert record["errno"] in ("ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH")


@reason("idle_timeout")
def test_idle_timeout(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"idle_timeout": "100ms"}))
    client, _served = pair(relay, server)  # which may be over before anybody can say a word
    client.expect_end(RST)
    assert check(relay, client, "idle_timeout", "relay")["waited_for"] == "both"


@reason("half_close_timeout")
def test_half_close_timeout(culvert):
    relay, client, served = start(culvert, defaults={"half_close_timeout": "100ms"})
    client.fin()
    served.read_end()
    assert check(relay, client, "half_close_timeout", "relay")["waited_for"] == "server"


@reason("stall_timeout")
def test_stall_timeout(culvert):
    relay, client, served = start(culvert, defaults={"stall_timeout": "200ms"})
    served.fill()
    assert check(relay, client, "stall_timeout", "relay")["waited_for"] == "client"


@reason("max_lifetime")
def test_max_lifetime(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"max_lifetime": "100ms"}))
    client, _served = pair(relay, server)
    client.expect_end(RST)
    check(relay, client, "max_lifetime", "relay")


@reason("no_server")
def test_no_server(culvert):
    relay = culvert(relay_to([f"off {Listener().address} disabled"]))
    client = connect(relay.address())
    client.expect_end(RST)
    check(relay, client, "no_server")


@reason("connect_refused")
def test_connect_refused(culvert):
    relay = culvert(relay_to(refused_address()))
    client = connect(relay.address())
    client.expect_end(RST)
    assert check(relay, client, "connect_refused", "connect")["errno"] == "ECONNREFUSED"


@reason("connect_timeout")
def test_connect_timeout(culvert):
    relay = culvert(relay_to(Blackhole(), defaults={"connect_timeout": "100ms"}))
    client = connect(relay.address())
    client.expect_end(RST)
    check(relay, client, "connect_timeout", "connect")


@reason("connect_failed")
@in_network_namespace()
def test_connect_failed(culvert):
    subprocess.run(["ip", "route", "add", "unreachable", "10.9.9.3/32"], check=True)
    relay = culvert(relay_to("10.9.9.3:80"))
    client = connect(relay.address())
    client.expect_end(RST)
    record = check(relay, client, "connect_failed", "connect")
    assert record["errno"] in ("EHOSTUNREACH", "ENETUNREACH")
    relay.wait_metric("culvert_connects_total", 1, result="unreachable")


@reason("ports_exhausted")
@needs_strace
def test_ports_exhausted(culvert):
    relay = culvert(relay_to(Listener()), wrapper=inject("connect:error=EADDRNOTAVAIL"))
    client = connect(relay.address())
    client.expect_end(RST)
    assert check(relay, client, "ports_exhausted", "connect")["errno"] == "EADDRNOTAVAIL"


@reason("source_failed")
def test_source_failed(culvert):
    relay = culvert(relay_to(Listener(), pool={"source": "192.0.2.7"}))
    client = connect(relay.address())
    client.expect_end(RST)
    assert check(relay, client, "source_failed", "connect")["errno"] == "EADDRNOTAVAIL"


@reason("loop")
def test_loop(culvert):
    relay = culvert(relay_to("original"))
    client = connect(relay.address())
    client.expect_end(RST)
    assert check(relay, client, "loop", "connect")["server_addr"] == relay.address()


@reason("dns_failed")
@in_network_namespace()
def test_dns_failed(culvert):
    relay = culvert(relay_to("no-such-host.invalid:80"),
                    env={"RES_OPTIONS": "timeout:1 attempts:1"})
    client = connect(relay.address())
    client.expect_end(RST)
    check(relay, client, "dns_failed")
    relay.wait_record(lambda one: "no-such-host.invalid" in str(one), 3, "a word about the name")


@reason("no_resources")
@needs_strace
def test_no_resources(culvert):
    relay = culvert(relay_to(Listener()), wrapper=inject("connect:error=ENOMEM"))
    client = connect(relay.address())
    client.expect_end(RST)
    assert check(relay, client, "no_resources", "connect")["errno"] == "ENOMEM"


@reason("limit")
def test_limit(culvert):
    server = Listener()
    relay = culvert(relay_to(f"one {server.address} max_connections=1"))
    first, served = pair(relay, server)
    client = connect(relay.address())
    client.expect_end(RST)
    check(relay, client, "limit")


@reason("no_route")
def test_no_route(culvert):
    server = Listener()
    relay = culvert({"listen main": {"bind": "127.0.0.1:0"},
                     "pool some": {"server": server.address},
                     "route some": {"listen": "main", "source": "10.0.0.0/8", "pool": "some"}})
    client = connect(relay.address())
    client.expect_end(RST)
    check(relay, client, "no_route")


@reason("client_timeout")
def test_client_timeout(culvert):
    relay = culvert(Plane(TC).sections(Listener(), listen={"handshake_timeout": "100ms"}))
    client = connect(relay.address())
    client.expect_end(RST)
    assert check(relay, client, "client_timeout", "handshake")["waited_for"] == "client"


@reason("client_tls")
def test_client_tls(culvert):
    relay = culvert(Plane(TC).sections(Listener()))
    client = connect(relay.address())
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    client.read_end()
    assert check(relay, client, "client_tls", "handshake")["tls_error"]


@reason("server_tls")
def test_server_tls(culvert):
    server = Listener()
    relay = culvert(Plane(TS).sections(server))
    client = connect(relay.address())
    server.accept().send(b"220 no TLS here\r\n")
    client.expect_end(RST)
    assert check(relay, client, "server_tls", "connect")["tls_error"]


@reason("tls_truncated")
def test_tls_truncated(culvert):
    plane, server = Plane(TC), Listener()
    relay = culvert(plane.sections(server))
    client, served = plane.pair(relay, server)
    exchange(client, served)
    client.cut()
    served.expect_end(RST)
    assert check(relay, client, "tls_truncated", "relay")["first"] == "client"


@reason("bad_proxy_header")
def test_bad_proxy_header(culvert):
    relay = culvert(relay_to(Listener(), listen={"accept_proxy": "required"}))
    client = connect(relay.address())
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    client.expect_end(RST)
    assert check(relay, client, "bad_proxy_header", "preread")["proxy_error"]


@reason("denied")
def test_denied(culvert):
    """The proxy may connect, the client that it speaks for may not."""
    relay = culvert(relay_to(Listener(), listen={
        "accept_proxy": "required", "trusted_proxies": "127.0.0.0/8", "deny": "192.0.2.0/24"}))
    client = connect(relay.address())
    client.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 1000 80\r\n")
    client.expect_end(RST)
    assert check(relay, client, "denied", "preread")["client"] == "192.0.2.7:1000"


FULL = {"max_connections": 1, "queue_size": 1, "queue_timeout": "60s"}


def fill(culvert, **pool):
    """A relay whose only place is taken by the client given back with it."""
    server = Listener()
    relay = culvert(relay_to(server, pool={**FULL, **pool}))
    return relay, pair(relay, server)


@reason("queue_timeout")
def test_queue_timeout(culvert):
    relay, _first = fill(culvert, queue_timeout="200ms")
    client = connect(relay.address())
    client.expect_end(RST)
    assert check(relay, client, "queue_timeout", "queue")["queue_s"] >= 0.19


@reason("queue_full")
def test_queue_full(culvert):
    relay, _first = fill(culvert)
    waiting = connect(relay.address())
    wait_until(lambda: relay.get_json("/api/v1/pools")["pools"][0]["waiting"] == 1, 5,
               "the first client to wait")
    client = connect(relay.address())
    client.expect_end(RST)
    check(relay, client, "queue_full", "connect")
    waiting.rst()


@reason("server_down")
def test_server_down(culvert):
    server = NamedServer("only")  # the checks connect to it as well
    interval = duration(span(0.5))
    relay = culvert({**relay_to(server, pool={"health": "up", "on_down": "reset"}),
                     "health up": {"interval": interval, "timeout": interval, "fall": 1}})
    client = connect(relay.address())
    assert read_line(client) == "only"
    server.close()
    client.expect_end(RST, seconds=20)
    check(relay, client, "server_down", "relay")


@reason("drained")
def test_drained(culvert):
    relay, client, served = start(culvert, culvert={"drain_timeout": "100ms"})
    relay.send_signal(signal.SIGTERM)
    client.expect_end(RST)
    assert relay.wait_exit() == 75
    assert relay.record_of(client)["reason"] == "drained"


def test_every_reason_is_tested(culvert):
    relay = culvert(relay_to(Listener()))
    words = {labels["reason"] for name, labels, _ in relay.metrics().series
             if name == "culvert_sessions_closed_total"}
    assert words, "the series must exist from the start"
    assert words - NOT_REACHABLE == TESTED
