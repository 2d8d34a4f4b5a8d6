# SPDX-License-Identifier: Apache-2.0
"""The server process is killed under two hundred live sessions: those whose bytes it had not read
see a reset, the others the end the kernel sent; new sessions are refused until it is back (BK1)."""
import os
import signal
import subprocess
import sys

from harness.culvert import relay_to
from harness.peer import FIN, RST, Listener, connect
from harness.wait import Stopwatch, limit, wait_until

SERVER = """
import socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(1000)
print(listener.getsockname()[1], flush=True)
kept = []
while True:
    conn, _ = listener.accept()
    conn.sendall(b"hello")
    kept.append(conn)
"""


def reserved_port():
    """A port that stays bound: nobody else gets it while the server is away."""
    return Listener(listening=False).port


def start_server(port):
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE,
                               text=True)
    assert process.stdout.readline() == f"{port}\n"
    return process


def test_server_killed(culvert):
    port = reserved_port()
    process = start_server(port)
    try:
        relay = culvert(relay_to(f"127.0.0.1:{port}"), workers=2)
        address = relay.address()
        clients = [connect(address) for _ in range(200)]
        for client in clients:
            client.expect(b"hello")
        os.kill(process.pid, signal.SIGSTOP)
        for client in clients[:100]:
            client.send(b"never read")
        wait_until(lambda: relay.metric("culvert_bytes_total", direction="upload") == 1000, 3,
                   "the bytes to be passed on")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        watch = Stopwatch()
        for client in clients[:100]:
            client.expect_end(RST)
        for client in clients[100:]:
            client.expect_end(FIN)
        assert watch.seconds() < limit(5)
        for client in clients:
            client.discard()
        connect(address).expect_end(RST)
        process = start_server(port)

        def works():
            client = connect(address)
            got, _ = client.read_end(0.05)
            return got == b"hello"

        wait_until(works, 3, "a session with the restarted server")
    finally:
        process.kill()
        process.wait()


def test_stopped_server(culvert):
    """A stopped server process: established sessions wait and go on, new ones run into
    connect_timeout only when its accept queue is full (BK2)."""
    port = reserved_port()
    process = start_server(port)
    try:
        relay = culvert(relay_to(f"127.0.0.1:{port}", defaults={"connect_timeout": "1s"}))
        client = connect(relay.address())
        client.expect(b"hello")
        os.kill(process.pid, signal.SIGSTOP)
        waiting = connect(relay.address())
        assert waiting.is_silent(1.5)
        os.kill(process.pid, signal.SIGCONT)
        waiting.expect(b"hello")
        assert client.is_silent(0.05)
        assert relay.sessions_total() == 2
    finally:
        process.kill()
        process.wait()
