# SPDX-License-Identifier: Apache-2.0
"""The urgent-data check, shared by four tests."""
import statistics

from .culvert import SANITIZER, relay_to
from .peer import FIN, Listener, exchange, pair, start_splicing, stream
from .wait import Stopwatch, limit


def check_urgent(culvert, method, direction):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": "auto" if method == "splice" else "off"}))
    client, served = pair(relay, server)
    exchange(client, served)
    sender, receiver = (client, served) if direction == "up" else (served, client)
    if method == "splice":
        start_splicing(relay, sender, receiver)
    times = []
    for _ in range(5):
        watch = Stopwatch()
        sender.send(b"abc")
        sender.oob(b"U")
        sender.send(b"def")
        receiver.expect(b"abcUdef")
        times.append(watch.seconds())
    assert statistics.median(times) < limit(0.1), times
    # The sender stays open and silent: nothing more to do for the relay.
    before = relay.cpu_s()
    assert receiver.is_silent(0.5)
    used = relay.cpu_s() - before
    if not SANITIZER:
        assert used < 0.02, f"{used * 1000:.1f} ms of processor time in 500 ms of silence"
    # The flow works on, in bulk and back.
    stream(sender, receiver, 1 << 20)
    stream(receiver, sender, 1 << 18)
    sender.oob(b"!")
    sender.fin()
    receiver.expect_end(FIN, b"!")
    receiver.fin()
    sender.expect_end(FIN)
    assert relay.record_of(client)["reason"] == "done"
