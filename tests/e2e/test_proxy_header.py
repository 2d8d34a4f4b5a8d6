# SPDX-License-Identifier: Apache-2.0
"""PROXY headers from clients (PP1-PP31, SL1): each right one is believed however it is cut, and not a
byte of it reaches the server; each wrong one is refused with its fault; who may not send one is
never believed."""
import random

import pytest

from harness.culvert import relay_to
from harness.peer import FIN, RST, EchoServer, Listener, connect, unix_path
from harness.proxy_header import CLIENT, RIGHT, TRUNCATED, WRONG, v1, v2
from harness.wait import Stopwatch, limit

WHOLE, BYTES, GLUED = "whole", "byte by byte", "glued to payload"
PAYLOAD = b"payload \x00\r\n" + v1()  # a second header is the client's own


def taking_headers(server, accept="required", trusted="127.0.0.0/8", **listen):
    return relay_to(server, listen={"accept_proxy": accept, "trusted_proxies": trusted, **listen})


def send_cut(client, header, how):
    """False when the relay refused it meanwhile."""
    try:
        if how == BYTES:
            # Long ones dribble at their beginning and at their end.
            head, middle, tail = header[:150], header[150:-20], header[150:][-20:]
            for byte in head:
                client.send(bytes([byte]))
            if middle:
                client.send(middle)
            for byte in tail:
                client.send(bytes([byte]))
        elif how == WHOLE:
            client.send(header)
        if how == GLUED:
            client.send(header + PAYLOAD)
        else:
            client.send(PAYLOAD)
    except (ConnectionResetError, BrokenPipeError):
        return False
    return True


def offer(client, data):
    """Send what the relay may have refused already."""
    try:
        client.try_send(data)
    except (ConnectionResetError, BrokenPipeError):
        client.was_reset = True  # the socket tells it once


@pytest.mark.parametrize("how", [WHOLE, BYTES, GLUED])
def test_right_ones_are_believed(culvert, how):
    server = Listener()
    relay = culvert(taking_headers(server))
    for title, (header, name) in RIGHT.items():
        client = connect(relay.address())
        assert send_cut(client, header, how), title
        served = server.accept()
        served.expect(PAYLOAD)
        served.send(b"answer")
        client.expect(b"answer")
        client.fin()
        served.expect_end(FIN)
        served.fin()
        client.expect_end(FIN)
        log = relay.record_of(client)
        assert (log["reason"], log["upload_bytes"]) == ("done", len(PAYLOAD)), title
        want = (name, client.name) if name else (client.name, "")
        assert (log["client"], log["client_socket"]) == want, title


@pytest.mark.parametrize("how", [WHOLE, BYTES, GLUED])
def test_wrong_ones_are_refused(culvert, how):
    server = Listener()
    relay = culvert(taking_headers(server))
    for title, (header, fault) in WRONG.items():
        client = connect(relay.address())
        if send_cut(client, header, how):
            client.wait_reset()
        log = relay.record_of(client)
        assert (log["reason"], log["first"], log["phase"]) == (
            "bad_proxy_header", "client", "preread"), title
        assert log["proxy_error"] == fault, title
        assert (log["client"], log["pool"], log["server"]) == (client.name, "", ""), title
    assert server.nobody_came(0.05)
    relay.wait_metric("culvert_sessions_closed_total", len(WRONG), reason="bad_proxy_header")


def test_unfinished_ones_run_out_of_time(culvert):
    """Silence behind each piece of a header; the time runs from accept."""
    server = Listener()
    relay = culvert(taking_headers(server, preread_timeout="700ms"))
    watch = Stopwatch()
    clients = []
    for header in [b"", *TRUNCATED]:
        clients.append(connect(relay.address()))
        offer(clients[-1], header)
    for client in clients:
        client.wait_reset(10)
        log = relay.record_of(client)
        assert (log["reason"], log["waited_for"]) == ("client_timeout", "client")
        assert 0.69 <= log["duration_s"] <= limit(5), log
    assert watch.seconds() >= 0.69
    assert server.nobody_came(0.05)


def test_dribblers_harm_nobody(culvert):
    """300 clients send a header a byte at a time and never finish: each has its time and no more,
    and others are served meanwhile (SL1)."""
    server = EchoServer()
    relay = culvert(taking_headers(server, preread_timeout="1500ms"))
    watch = Stopwatch()
    dribblers = [connect(relay.address()) for _ in range(300)]
    header = RIGHT["v2 of 4096 bytes"][0]
    began, last = watch.seconds(), 0.0
    at = 0
    while watch.seconds() < began + 1.2:
        last = watch.seconds()
        for client in dribblers:
            offer(client, header[at:at + 1])
        at += 1
        other = connect(relay.address())
        other.send(v1() + b"hello")
        other.expect(b"hello")
        other.fin()
        other.expect_end(FIN)
    for client in dribblers:
        client.wait_reset(10)
        log = relay.record_of(client)
        assert log["reason"] == "client_timeout", log
        assert 1.49 <= log["duration_s"], log
    # Most of them had bytes to offer until shortly before their time was over; counted from those,
    # it would have been as much longer.
    seconds = sorted(relay.record_of(client)["duration_s"] for client in dribblers)
    assert seconds[150] < 1.5 + 0.9 * (last - began), (seconds[150], last - began)


def test_ends_inside_a_header(culvert):
    server = Listener()
    relay = culvert(taking_headers(server))
    for header in TRUNCATED:
        for end in (FIN, RST):
            client = connect(relay.address())
            client.send(header)
            if end == FIN:
                client.fin()
            else:
                client.rst()
            log = relay.record_of(client)
            assert (log["reason"], log["phase"], log["client"]) == (
                "client_left", "preread", client.name)
    assert server.nobody_came(0.05)


def test_the_address_chooses_the_route(culvert):
    """Rules are asked about the client that the header names."""
    named, others = Listener(), Listener()
    sections = taking_headers(others)
    sections["route named"] = {"listen": "main", "source": "192.0.2.0/24", "pool": "named"}
    sections["pool named"] = {"server": named.address}
    relay = culvert(sections)
    for header, server in ((v1(), named), (v1("UNKNOWN"), others),
                           (v1("TCP4 192.0.3.1 203.0.113.5 1 2"), others)):
        client = connect(relay.address())
        client.send(header + b"x")
        served = server.accept()
        served.expect(b"x")
        served.rst()
        client.wait_reset()


def test_live_views_show_both_addresses(culvert):
    server = Listener()
    relay = culvert(taking_headers(server))
    client = connect(relay.address())
    client.send(v1())
    server.accept()
    (session,) = relay.sessions()
    assert (session["client"], session["client_socket"]) == (CLIENT, client.name)


@pytest.mark.parametrize("accept", ["required", "optional"])
def test_a_header_of_a_stranger(culvert, accept):
    """127.0.0.1 is not one of the proxies: it is not believed, and no server hears the header (PP30)."""
    server = Listener()
    relay = culvert(taking_headers(server, accept, "127.0.0.2"))
    for header in (RIGHT["v1 TCP4"][0], RIGHT["v2 TCP4"][0]):
        client = connect(relay.address())
        offer(client, header + b"x")
        client.wait_reset()
        log = relay.record_of(client)
        assert (log["reason"], log["proxy_error"]) == (
            "bad_proxy_header", "not from a trusted address")
        assert (log["client"], log["upload_bytes"]) == (client.name, 0)
        if log["server"]:  # nothing had come yet when the session began
            assert server.accept().read_end() == (b"", RST)
    trusted = connect(relay.address(), source="127.0.0.2")
    trusted.send(v1() + b"x")
    server.accept().expect(b"x")


def test_strangers_without_a_header(culvert):
    server = Listener()
    relay = culvert(taking_headers(server, "optional", "127.0.0.2"))
    for payload in (b"GET / HTTP/1.1\r\n", b"PROMPT", b"\r\n\r\n\0\r\nQUIX\n"):
        client = connect(relay.address())
        client.send(payload)
        served = server.accept()
        served.expect(payload)
        client.fin()
        served.expect_end(FIN)
        served.fin()
        client.expect_end(FIN)
        assert relay.record_of(client)["client"] == client.name
    # What may become a signature waits; an end says that it does not.
    client = connect(relay.address())
    client.send(b"PROX")
    served = server.accept()
    assert served.is_silent(0.2)
    client.fin()
    served.expect_end(FIN, b"PROX")


def test_a_stranger_of_a_server_that_speaks_first(culvert):
    """It is greeted at once, and its header does not get through after that either."""
    server = EchoServer(greeting=b"220 hello\r\n")
    relay = culvert(taking_headers(server, "optional", "127.0.0.2"))
    client = connect(relay.address())
    client.expect(b"220 hello\r\n")
    client.send(b"HELO")
    client.expect(b"HELO")
    spoofer = connect(relay.address())
    spoofer.expect(b"220 hello\r\n")
    header = v2()
    for byte in header[:12]:
        offer(spoofer, bytes([byte]))
    spoofer.wait_reset()
    log = relay.record_of(spoofer)
    assert (log["reason"], log["upload_bytes"]) == ("bad_proxy_header", 0)


def test_bulk_behind_a_header(culvert):
    """The guard and the header are out of the way: bytes are spliced as ever."""
    server = EchoServer()
    for trusted in ("127.0.0.1", "127.0.0.2"):
        relay = culvert(taking_headers(server, "optional", trusted))
        client = connect(relay.address())
        data = random.Random(3).randbytes(2_000_000)
        sent = 0
        client.send(v1() if trusted == "127.0.0.1" else b"x")
        if trusted != "127.0.0.1":
            client.expect(b"x")
        while sent < len(data):
            client.send(data[sent:sent + 200_000])
            client.expect(data[sent:sent + 200_000])
            sent += 200_000
        client.fin()
        client.expect_end(FIN)
        log = relay.record_of(client)
        assert log["reason"] == "done" and log["spliced_bytes"] > 0, log


def test_clients_of_a_unix_socket(culvert):
    server = Listener()
    path = f"unix:{unix_path()}"
    relay = culvert(taking_headers(server, trusted="192.0.2.99", bind=path))
    client = connect(path)
    client.send(v1() + b"x")
    server.accept().expect(b"x")
    (session,) = relay.sessions()
    assert (session["client"], session["client_socket"]) == (CLIENT, "unix:")


def test_rules_are_about_the_proxy_and_the_client(culvert):
    server = Listener()
    relay = culvert(taking_headers(server, trusted="127.0.0.0/8",
                                   deny="192.0.2.0/24 127.0.0.2"))
    client = connect(relay.address())
    client.send(v1())
    client.wait_reset()
    log = relay.record_of(client)
    assert (log["reason"], log["client"]) == ("denied", CLIENT)
    proxy = connect(relay.address(), source="127.0.0.2")
    offer(proxy, v1("TCP4 198.51.100.1 203.0.113.5 1 2"))
    proxy.wait_reset()
    other = connect(relay.address())
    other.send(v1("TCP4 198.51.100.1 203.0.113.5 1 2") + b"x")
    server.accept().expect(b"x")


def test_limits_count_the_proxy_and_the_client(culvert):
    """A client that its header names counts for its address, whatever proxy it comes by; a proxy
    does not escape its own limit by naming others (PP31). Places are given back."""
    server = EchoServer()
    sections = taking_headers(server, max_connections_per_ip="2")
    relay = culvert(sections)
    for _ in range(2):
        same = [connect(relay.address(), source=f"127.0.0.{number}") for number in (2, 3, 4)]
        for number, client in enumerate(same):
            offer(client, v1() + b"x")
            if number < 2:
                client.expect(b"x")
        same[2].wait_reset()
        log = relay.record_of(same[2])
        assert (log["reason"], log["client"]) == ("limit", CLIENT)
        spoofers = [connect(relay.address(), source="127.0.0.5") for _ in range(3)]
        for number, client in enumerate(spoofers):
            offer(client, v1(f"TCP4 198.51.100.{number + 1} 203.0.113.5 1 2") + b"x")
            if number < 2:
                client.expect(b"x")
        spoofers[2].wait_reset()
        for client in same + spoofers:
            client.close()
        relay.wait_idle()
