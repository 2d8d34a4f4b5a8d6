# SPDX-License-Identifier: Apache-2.0
"""Handshakes that do not go well: cut and reset behind every byte, a byte at a time, never finished,
flooding, two hundred at once. Each ends with a reason, no server hears of it, nothing is left over,
and sessions beside it do not notice (RS1 in P3, SL2, SL4)."""
import ssl

import pytest

from harness.peer import (FIN, RST, Background, EchoServer, Listener, NamedServer, connect, exchange,
                          stream, wait_acknowledged)
from harness.tls import (TC, TLS12, TLS13, TS, TT, Plane, TlsConn, answer_tls, client_context,
                         server_context, start_tls)
from harness.wait import Stopwatch, wait_until


@pytest.fixture(params=[TLS12, TLS13])
def version(request):
    return request.param


def terminating(culvert, server, version=TLS13, **listen):
    return culvert(Plane(TC, version).sections(server, listen=listen))


def flights(version):
    """What a client sends in a handshake, made beside a server of our own (a relay's server flight
    differs, so only the first flight fits it)."""
    client = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = client_context(version=version)
    tls = context.wrap_bio(*client, server_hostname="server.test")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return client[1].read()


@pytest.mark.parametrize("how", ["cut", "rst"])
def test_hello_broken_off_at_every_byte(culvert, how, version):
    server = NamedServer("never")
    relay = terminating(culvert, server, version)
    first = flights(version)
    clients = []
    for size in range(0, len(first), 1 if how == "rst" else 3):
        client = connect(relay.address())
        client.send(first[:size])
        if how == "cut":
            client.fin()
            assert client.read_end()[1] in (FIN, RST)
        else:
            wait_acknowledged(client)
            client.rst()
        clients.append(client)
    for client in clients:
        record = relay.record_of(client)
        assert (record["reason"], record["phase"]) == ("client_left", "handshake"), record
    assert server.total == 0


@pytest.mark.parametrize("how", ["cut", "rst"])
def test_second_flight_broken_off_at_every_byte(culvert, how, version):
    """The client's last flight (key exchange or Finished), broken off inside."""
    server = NamedServer("never")
    relay = terminating(culvert, server, version)
    clients = []
    context = client_context(version=version)
    size, whole = 0, 1
    while size < whole:
        client = TlsConn(connect(relay.address()), context, name="server.test")
        client.send_raw(client.hello())
        while True:
            try:
                client.ssl.do_handshake()
            except ssl.SSLWantReadError:
                pass
            if client.outgoing.pending:
                break
            assert client.feed(5)
        second = client.outgoing.read()
        whole = len(second)
        client.send_raw(second[:size])
        if how == "cut":
            client.cut()
            assert client.read_end(3)[1] != FIN
        else:
            wait_acknowledged(client)
            client.rst()
        clients.append(client)
        size += 1 if how == "rst" else 2
    for client in clients:
        record = relay.record_of(client)
        assert record["reason"] == "client_left", record
    assert server.total == 0


def test_byte_by_byte(culvert, version):
    """A handshake, data and an end in single bytes, on both sides."""
    plane, server = Plane(TT, version), Listener()
    relay = culvert(plane.sections(server))
    client = start_tls(connect(relay.address()), client_context(version=version), piece=1)
    served = answer_tls(server.accept(), server_context(version=version), piece=1)
    exchange(client, served)
    stream(client, served, 3000)
    client.fin()
    served.expect_end(FIN)
    served.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["reason"] == "done"


def test_each_byte_in_a_wakeup_of_its_own(culvert):
    """The first flight with the relay looking after every byte."""
    server = Listener()
    relay = terminating(culvert, server)
    client = TlsConn(connect(relay.address()), client_context(version=TLS13), name="server.test")
    for byte in client.hello():
        client.send_raw(bytes([byte]))
        wait_acknowledged(client)
    client.handshake()
    exchange(client, server.accept())
    client.rst()


@pytest.mark.parametrize("begun", [0, 1, 100, None], ids=["silent", "a byte", "half", "a hello"])
def test_never_finished(culvert, begun, version):
    """The deadline counts from the start and no byte extends it."""
    server = NamedServer("never")
    relay = terminating(culvert, server, version, handshake_timeout="300ms")
    first, address = flights(version), relay.address()
    watch = Stopwatch()
    with relay.frozen():
        client = connect(address)
        client.send(first[:begun] if begun is not None else first)
    got, end = client.read_end(5)
    assert end == RST
    assert 0.29 < watch.seconds()
    record = relay.record_of(client)
    assert (record["reason"], record["phase"], record["waited_for"]) == \
        ("client_timeout", "handshake", "client")
    assert server.total == 0
    relay.wait_metric("culvert_tls_handshakes_total", 1, side="client", owner="main",
                      result="timeout")


def test_dribbled(culvert):
    """A byte every 20 ms is progress that does not count: the time is over long before they are sent."""
    relay = terminating(culvert, NamedServer("never"), handshake_timeout="300ms")
    client = connect(relay.address())
    first = flights(TLS13)
    assert len(first) > 150
    for byte in first[:-1]:
        try:
            client.send(bytes([byte]))
        except (BrokenPipeError, ConnectionResetError):
            break
        if not client.is_silent(0.02):
            break
    else:
        raise AssertionError("each byte has extended the time")
    assert relay.record_of(client)["reason"] == "client_timeout"


def test_what_is_no_tls(culvert):
    """Other protocols on a TLS port: refused by what they are (SL7 without peeking)."""
    server = NamedServer("never")
    relay = terminating(culvert, server)
    for sent in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n",
                 b"\x03\x00\x00\x13\x0e\xe0\0\0\0\0\0\1\0\x08\0\3\0\0\0", b"\0" * 1000, b"\xff" * 1000,
                 b"\x80\x2e\1\3\1" + b"\0" * 43):
        client = connect(relay.address())
        client.send(sent)
        assert client.read_end()[1] in (FIN, RST)
        record = relay.record_of(client)
        assert record["reason"] == "client_tls" and record["tls_error"], (sent, record)
    assert server.total == 0


def test_two_hundred_at_once(culvert, version):
    server = EchoServer()
    relay = culvert(Plane(TC, version).sections(server, listen={"handshake_timeout": "60s"}), workers=2)
    address, context = relay.address(), client_context(version=version)

    def visit(number):
        client = start_tls(connect(address, seconds=20), context, seconds=20)
        data = b"%d" % number * 100
        client.send(data)
        client.expect(data, 20)
        client.fin()
        client.expect_end(FIN, seconds=20)

    for one in [Background(visit, number) for number in range(200)]:
        one.result(40)
    wait_until(lambda: len(relay.session_records()) == 200, 5, "200 records")
    assert {one["reason"] for one in relay.session_records()} == {"done"}
    relay.wait_metric("culvert_tls_handshakes_total", 200, side="client", owner="main", result="ok")


@pytest.mark.plain_build
def test_flood_beside_sessions(culvert):
    """Hundreds of hellos that nobody finishes wait for the same worker as a plain session: its round
    trips go on between any two steps of them."""
    server = EchoServer()
    sections = Plane(TC, TLS12).sections(server, listen={"handshake_timeout": "60s"})
    sections["listen plain"] = {"bind": "127.0.0.1:0", "pool": "servers"}
    relay = culvert(sections)
    first = flights(TLS12)
    session = connect(relay.address("plain"))
    session.send(b"?")
    session.expect(b"?")
    address, seen = relay.address(), []
    # When this process stands still it sees the answer late: some turns, of which one must do.
    for _ in range(5):
        flood = [connect(address) for _ in range(300)]
        with relay.frozen():
            for one in flood:
                one.send(first)
            session.send(b"!")
        before = relay.cpu_s()
        session.expect(b"!", 5)
        waited = relay.cpu_s() - before
        wait_until(lambda: all(not one.is_silent(0) for one in flood), 10, "all hellos to be answered")
        whole = relay.cpu_s() - before
        for one in flood:
            one.rst()
        seen.append((waited, whole))
        # One step of 300 may stand before us, with some of its neighbours' accepts; not all of them.
        if waited < whole / 4:
            break
    else:
        raise AssertionError(f"processor time until the session's turn, and of all: {seen}")
    session.fin()
    session.expect_end(FIN)


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("who", ["client", "server"])
def test_reset_in_the_handshake_with_the_server(culvert, who, version):
    """RS1 and RS2 in P5: the other side sees a reset, at whatever byte of the server's flight."""
    plane, server = Plane(TS, version), Listener()
    relay = culvert(plane.sections(server))
    for size in (0, 1, 5, 60, 90, 500, None):
        client = connect(relay.address())
        served = TlsConn(server.accept(), server_context(version=version), server=True)
        assert served.feed(5)
        try:
            served.ssl.do_handshake()
        except ssl.SSLWantReadError:
            pass
        flight = served.outgoing.read()
        served.send_raw(flight[:size] if size is not None else flight[:-1])
        wait_acknowledged(served)
        breaker, other = (client, served) if who == "client" else (served, client)
        breaker.rst()
        assert other.read_end()[1] == RST
        assert relay.record_of(client)["reason"] == ("client_left" if who == "client"
                                                     else "server_tls")


def test_half_a_flight_is_no_loss_for_the_next(culvert, version):
    """Errors of one connection stay with it: a good session runs beside each bad one (the error
    queue of OpenSSL belongs to the thread)."""
    server = EchoServer()
    relay = terminating(culvert, server, version)
    good = start_tls(connect(relay.address()), client_context(version=version))
    for number in range(20):
        bad = connect(relay.address())
        bad.send(b"GET / HTTP/1.0\r\n\r\n")
        bad.read_end()
        data = b"%d" % number
        good.send(data)
        good.expect(data)
        assert relay.record_of(bad)["reason"] == "client_tls"
    good.fin()
    good.expect_end(FIN)
    assert relay.record_of(good)["reason"] == "done"
