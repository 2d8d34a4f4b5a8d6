# SPDX-License-Identifier: Apache-2.0
"""Data and something else reach the relay in one wake-up; shared by three tests.

The data must fit into the receive window of a fresh connection (64 kB)."""
import statistics

from .culvert import relay_to
from .peer import FIN, RST, Listener, exchange, pair, pattern, start_splicing, wait_acknowledged
from .wait import Stopwatch, limit


def check_one_wakeup(culvert, what, method, who, size):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": "auto" if method == "splice" else "off"}))
    data = pattern(size)
    times = []
    for _ in range(3):
        client, served = pair(relay, server)
        exchange(client, served)
        sender, receiver = (client, served) if who == "client" else (served, client)
        if method == "splice":
            start_splicing(relay, sender, receiver)
        with relay.frozen():
            sender.send(data)
            if what == "fin":
                sender.fin()
            elif what == "rst":
                wait_acknowledged(sender)  # a reset discards what is still in the sender's kernel
                sender.rst()
            else:
                sender.oob(b"U")
                sender.send(b"tail")
        watch = Stopwatch()
        if what == "fin":
            receiver.expect_end(FIN, data)
            receiver.fin()
            sender.expect_end(FIN)
            reason = "done"
        elif what == "rst":
            receiver.expect_end(RST, data)
            reason = f"{who}_reset"
        else:
            receiver.expect(data + b"Utail")
            sender.fin()
            receiver.expect_end(FIN)
            receiver.fin()
            sender.expect_end(FIN)
            reason = "done"
        times.append(watch.seconds())
        assert relay.record_of(client)["reason"] == reason
    assert statistics.median(times) < limit(0.25), times
