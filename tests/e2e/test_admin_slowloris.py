# SPDX-License-Identifier: Apache-2.0
"""A hundred clients of the control socket dribble a request or say nothing: the data path does not
notice, no more than 16 are served at once, and each is cut after some seconds."""
import http.client
import socket
import statistics

from harness.culvert import SANITIZER, relay_to
from harness.peer import Listener, exchange, pair
from harness.wait import Stopwatch, limit, wait_until


def test_admin_slowloris(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)

    def times():
        found = []
        for _ in range(100):
            watch = Stopwatch()
            exchange(client, served)
            found.append(watch.seconds())
        return found

    before = times()
    slow = []
    for _ in range(100):
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        try:
            sock.connect(relay.socket_path)
            sock.send(b"GET /metrics HTTP/1.1\r\nHost: culvert\r\nX-Slow: ")
            slow.append(sock)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            sock.close()
    assert len(slow) >= 16
    for sock in slow:
        try:
            sock.send(b"a")
        except OSError:
            pass
    during = times()
    assert statistics.median(during) < 2 * statistics.median(before) + limit(0.02)
    assert relay.ledger().sockets <= relay.base.sockets + 2 + 16 + 2
    # The first ones are cut by themselves; when the others leave there is room at once.
    wait_until(lambda: len([sock for sock in slow if is_cut(sock)]) >= 10, 10, "slow clients to be cut")
    for sock in slow:
        sock.close()
    wait_until(lambda: answers(relay), 8, "an answer of the control socket")


def is_cut(sock):
    try:
        return sock.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def answers(relay):
    try:
        return relay.get("/healthz", seconds=1)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def test_too_big_requests_are_cut(culvert):
    """A megabyte of header, a header without end, a huge body: closed, and memory does not grow."""
    relay = culvert(relay_to(Listener()))
    before = relay.ledger().rss_kb
    for request in (b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n",
                    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200_000,
                    b"POST / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n",
                    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                    b"\0" * 65536, b"\r\n" * 1000, b"GET /healthz HTTP/1.1\r\n\r\n" * 200):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5)
            sock.connect(relay.socket_path)
            try:
                sock.sendall(request)
                sock.recv(4096)
            except OSError:
                pass
    assert relay.get("/healthz")[0] == 200
    if not SANITIZER:
        assert relay.ledger().rss_kb - before < 4096
