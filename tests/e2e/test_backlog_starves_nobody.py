# SPDX-License-Identifier: Apache-2.0
"""Sessions that always have more to move do not keep one worker from its other sessions: a small
message goes through, and a new client is served, in a moment (data path rule: a bounded turn).

Senders and receivers touch no byte themselves (sendfile, MSG_TRUNC), so that the relay, which
copies here, is the slowest of the three and its backlog never ends.
"""
import os
import socket
import statistics
import threading

from harness.culvert import relay_to
from harness.peer import Listener, exchange, pair
from harness.wait import Stopwatch, limit, wait_until

CHUNK = 1 << 20
BUSY = 8


def flood(conn, file, is_over):
    while not is_over.is_set():
        try:
            os.sendfile(conn.sock.fileno(), file, 0, CHUNK)
        except BlockingIOError:
            is_over.wait(0.001)
        except OSError:
            return


def swallow(conn, counts, number, is_over):
    room = bytearray(CHUNK)
    while not is_over.is_set():
        try:
            counts[number] += conn.sock.recv_into(room, CHUNK, socket.MSG_TRUNC)
        except BlockingIOError:
            is_over.wait(0.0005)
        except OSError:
            return


def test_backlog_starves_nobody(culvert):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": "off"}))
    quiet, served_quiet = pair(relay, server)
    exchange(quiet, served_quiet)
    is_over = threading.Event()
    counts = [0] * BUSY
    threads = []
    file = os.memfd_create("bytes")
    os.truncate(file, CHUNK)
    try:
        for number in range(BUSY):
            client, served = pair(relay, server)
            threads.append(threading.Thread(target=flood, args=(client, file, is_over)))
            threads.append(threading.Thread(target=swallow,
                                            args=(served, counts, number, is_over)))
        for thread in threads:
            thread.start()
        wait_until(lambda: all(count > 8 << 20 for count in counts), 20, "all to flow")
        times = []
        for _ in range(20):
            watch = Stopwatch()
            exchange(quiet, served_quiet)
            times.append(watch.seconds())
        assert statistics.median(times) < limit(0.3), "small messages waited behind bulk"
        assert max(times) < limit(3), "a small message waited behind bulk"
        watch = Stopwatch()
        late, served_late = pair(relay, server)
        exchange(late, served_late)
        assert watch.seconds() < limit(3), "a new client waited behind bulk"
    finally:
        is_over.set()
        for thread in threads:
            thread.join(10)
        os.close(file)
