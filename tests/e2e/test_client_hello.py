# SPDX-License-Identifier: Apache-2.0
"""What a ClientHello may look like, as a listener that routes by name meets it: right ones reach the
server byte for byte, however they were cut; wrong ones and other protocols are refused with the
reason and reach no server; one that is never finished is given up on time, and harms nobody else
(CH1-CH30, SL2, SL3, SL7)."""
import random
import select
import statistics

import pytest

from harness.certificates import authority
from harness.hello import NAME, RIGHT, WRONG, hello, padded, record, records
from harness.peer import (FIN, RST, EchoServer, Listener, NamedServer, connect, read_line,
                          start_splicing, stream)
from harness.tls import TLS12, TLS13, TlsConn, client_context
from harness.wait import Deadline, Stopwatch, duration, limit, span

WHOLE, BYTES, PIECES = "whole", "byte by byte", "in pieces"


def by_name(server, **listen):
    """Any name goes to the server, but the hello must be read."""
    return {
        "listen main": {"bind": "127.0.0.1:0", "pool": "any", **listen},
        "pool any": {"server": server.address},
        "route named": {"listen": "main", "sni": NAME.decode(), "pool": "any"},
    }


def send_cut(client, data, how, random_source):
    """False when the relay refused it meanwhile."""
    client.nodelay()
    start = 0
    while start < len(data):
        # Long ones dribble at their begin and at their end.
        slow = how == BYTES and (start < 600 or len(data) - start < 100)
        size = {WHOLE: len(data), BYTES: 1 if slow else 500, PIECES: random_source.randint(1, 400)}
        try:
            client.send(data[start:start + size[how]])
        except (ConnectionResetError, BrokenPipeError):
            return False
        start += size[how]
    return True


@pytest.mark.parametrize("how", [WHOLE, BYTES, PIECES])
def test_right_ones_arrive_unchanged(culvert, how):
    server = Listener()
    relay = culvert(by_name(server))
    source = random.Random(1)
    for title, (data, name) in RIGHT.items():
        client = connect(relay.address())
        assert send_cut(client, data, how, source), title
        served = server.accept()
        served.expect(data)
        served.send(b"answer")
        client.expect(b"answer")
        client.fin()
        served.expect_end(FIN)
        served.fin()
        client.expect_end(FIN)
        log = relay.record_of(client)
        # The record has room for the beginning of a long name.
        assert (log["reason"], log["sni"], log["tls"]) == ("done", name.decode()[:127], ""), title
        assert log["route"] == ("named" if name == NAME else ""), title


@pytest.mark.parametrize("how", [WHOLE, BYTES, PIECES])
def test_wrong_ones_are_refused(culvert, how):
    server = Listener()
    relay = culvert(by_name(server))
    source = random.Random(2)
    for title, (data, detail) in WRONG.items():
        client = connect(relay.address())
        if send_cut(client, data, how, source):
            client.expect_end(RST)
        log = relay.record_of(client)
        assert (log["reason"], log["first"], log["phase"]) == ("client_tls", "client", "preread"), title
        assert detail in log["tls_error"], (title, log["tls_error"])
        assert (log["pool"], log["server"]) == ("", ""), title
    assert server.nobody_came(0.05)
    relay.wait_metric("culvert_sessions_closed_total", len(WRONG), reason="client_tls")


def test_as_much_as_may_be_peeked(culvert):
    """60 KiB of records for a hello of 10 KiB: all of it is looked at in the kernel's buffer."""
    server = Listener()
    relay = culvert(by_name(server))
    client = connect(relay.address())
    data = padded(NAME, 10_000, piece=1)
    client.send(data)
    served = server.accept()
    served.expect(data)
    client.fin()
    served.expect_end(FIN)
    served.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["route"] == "named"


def test_more_than_may_be_peeked(culvert):
    server = Listener()
    relay = culvert(by_name(server, preread_timeout="1m"))
    client = connect(relay.address())
    try:
        client.send(padded(NAME, 16_000, piece=1))
    except (ConnectionResetError, BrokenPipeError):
        pass
    client.wait_reset()
    log = relay.record_of(client)
    assert log["reason"] == "client_tls" and "65536 bytes of records" in log["tls_error"], log
    assert server.nobody_came(0.02)


def test_a_megabyte_glued_behind(culvert):
    server = Listener()
    relay = culvert(by_name(server))
    data = hello(NAME, piece=7) + record(bytes(1000), kind=23) + random.Random(3).randbytes(1 << 20)
    client = connect(relay.address())
    client.sock.setblocking(False)
    sent = client.try_send(data)
    served = server.accept()
    served.expect(data[:sent])
    client.send(data[sent:])
    served.expect(data[sent:])
    client.rst()
    served.expect_end(RST)


def test_the_session_is_spliced(culvert):
    server = Listener()
    relay = culvert(by_name(server))
    client = connect(relay.address())
    data = hello(NAME)
    client.send(data)
    served = server.accept()
    served.expect(data)
    start_splicing(relay, client, served)
    stream(served, client, 4 << 20)
    stream(client, served, 4 << 20)
    client.fin()
    served.expect_end(FIN)
    served.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["path"] in ("splice", "mixed")


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_termination_of_a_hello_in_many_records(culvert, version, size):
    """What was looked at is still there for OpenSSL, which joins the records, too."""
    identity = authority().issue("many.test")
    whole = by_name(EchoServer(), tls=identity.pem)
    whole["route many"] = {"listen": "main", "sni": "many.test", "pool": "any"}
    relay = culvert(whole)
    client = TlsConn(connect(relay.address()), client_context(version=version), name="many.test")
    made = client.hello()
    message = made[5:]
    assert made == record(message, version=int.from_bytes(made[1:3], "big"))
    client.piece = 20
    client.send_raw(records(message, size))
    client.handshake()
    assert client.peer_certificate == identity.der
    client.send(b"echo")
    client.expect(b"echo")
    client.fin()
    client.expect_end(FIN)
    log = relay.record_of(client)
    assert (log["reason"], log["route"], log["sni"]) == ("done", "many", "many.test")


@pytest.mark.parametrize("end", [FIN, RST])
def test_cut_at_every_offset_and_left(culvert, end):
    server = Listener()
    relay = culvert(by_name(server))
    data = hello(NAME, piece=50)
    for cut in range(len(data)):
        client = connect(relay.address())
        client.send(data[:cut])
        if end == FIN:
            client.fin()
            client.read_end()
        else:
            client.rst()
        assert relay.record_of(client)["reason"] == "client_left", cut
    assert server.nobody_came(0.02)


def test_cut_at_every_offset_and_silent(culvert):
    """All at once; each is given up at the preread timeout, none before, and no server is asked. The
    one that goes on in time is served."""
    server = Listener()
    timeout = span(1.5)
    relay = culvert(by_name(server, preread_timeout=duration(timeout)))
    data = hello(NAME, piece=50)
    clients = {}
    for cut in range(len(data)):
        watch = Stopwatch()
        clients[cut] = (connect(relay.address()), watch)
        clients[cut][0].send(data[:cut])
    late = connect(relay.address())
    late.send(data[:100])
    late.send(data[100:])
    served = server.accept()
    served.expect(data)
    for cut, (client, watch) in clients.items():
        assert client.read_end(seconds=10) == (b"", RST), cut
        assert watch.seconds() > timeout - 0.1, cut
        log = relay.record_of(client)
        assert (log["reason"], log["phase"], log["pool"]) == ("client_timeout", "preread", ""), cut
        assert timeout - 0.1 <= log["duration_s"] <= timeout + limit(3), cut
    assert server.nobody_came(0.02)
    late.fin()
    served.expect_end(FIN)
    served.fin()
    late.expect_end(FIN)
    assert relay.record_of(late)["reason"] == "done"


def test_silent_clients_and_those_that_never_speak_first(culvert):
    """Where the hello is waited for, silence ends at the timeout; where it is not, the server is
    asked at once (SL3)."""
    server = NamedServer("speaks first")
    whole = by_name(server, preread_timeout="300ms")
    whole["listen plain"] = {"bind": "127.0.0.1:0", "pool": "any"}
    relay = culvert(whole)
    assert read_line(connect(relay.address("plain"))) == "speaks first"
    client = connect(relay.address())
    client.expect_end(RST)
    assert relay.record_of(client)["reason"] == "client_timeout"
    assert server.total == 1


def dribble(relay, count, timeout, seconds_per_byte):
    """`count` clients that send a byte of a hello each so often. Meanwhile a session goes on beside
    them: its round trips."""
    data = hello(NAME)
    clients = [connect(relay.address()) for _ in range(count)]
    echo = connect(relay.address("plain"))
    poller = select.poll()
    for client in clients:
        poller.register(client.sock, select.POLLIN | select.POLLRDHUP)
    by_fd = {client.sock.fileno(): client for client in clients}
    deadline = Deadline(timeout + 5)
    times, sent = [], 0
    while by_fd:
        assert not deadline.passed(), f"{len(by_fd)} clients are still waited for"
        for client in by_fd.values():
            try:
                client.send(data[sent:sent + 1])
            except (ConnectionResetError, BrokenPipeError):
                client.was_reset = True
        sent += 1
        pause = Deadline(seconds_per_byte)
        while not pause.passed():
            watch = Stopwatch()
            echo.send(b"ping")
            echo.expect(b"ping")
            times.append(watch.seconds())
            for fd, _ in poller.poll(10):
                poller.unregister(fd)
                by_fd.pop(fd)
            if not by_fd:
                break
    echo.fin()
    echo.expect_end(FIN)
    return clients, times


def check_dribble(culvert, count, timeout, seconds_per_byte):
    server = EchoServer()
    whole = by_name(server, preread_timeout=f"{timeout}s")
    whole["listen plain"] = {"bind": "127.0.0.1:0", "pool": "any"}
    relay = culvert(whole)
    clients, times = dribble(relay, count, timeout, seconds_per_byte)
    for client in clients:
        log = relay.record_of(client)
        assert log["reason"] == "client_timeout"
        assert timeout - 0.1 <= log["duration_s"] <= timeout + limit(3)
        client.discard()
    assert statistics.median(times) < limit(0.05)
    assert max(times) < limit(3)


def test_dribbled_hellos(culvert):
    """SL2, small: bytes that come do not extend the time."""
    check_dribble(culvert, count=200, timeout=2, seconds_per_byte=0.1)


@pytest.mark.soak
@pytest.mark.deadline(300)
def test_five_thousand_dribbled_hellos(culvert):
    """SL2"""
    check_dribble(culvert, count=5000, timeout=10, seconds_per_byte=1)
