# SPDX-License-Identifier: Apache-2.0
"""Hundreds of spliced sessions torn down with bytes in their pipes: no pipe stays in use and the
pool stays within its bounds."""
import pytest

from harness.culvert import relay_to
from harness.peer import Listener, exchange, pair


def run(culvert, rounds):
    server = Listener(rcvbuf=16384)
    relay = culvert(relay_to(server))
    start = None
    for number in range(rounds):
        client, served = pair(relay, server, rcvbuf=16384)
        exchange(client, served)
        client.fill(quiet=0.003, at_most=600_000)
        served.fill(quiet=0.003, at_most=600_000)
        if number % 3 == 0:
            client.rst()
            served.rst()
        elif number % 3 == 1:
            served.rst()
            client.close()
        else:
            client.rst()
            served.close()
        if number == 20:
            relay.wait_idle()
            start = relay.metrics()
    relay.wait_idle()
    metrics = relay.metrics()
    assert metrics.value("culvert_relayed_bytes_total", path="splice") > 0
    assert metrics.value("culvert_pipes", state="used") == 0
    assert metrics.value("culvert_pipes", state="idle") <= start.value("culvert_pipes", state="idle") + 4


def test_pipe_leak(culvert):
    run(culvert, 200)


@pytest.mark.soak
@pytest.mark.deadline(1800)
def test_pipe_leak_10000(culvert):
    run(culvert, 10_000)
