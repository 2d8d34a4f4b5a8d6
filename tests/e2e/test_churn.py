# SPDX-License-Identifier: Apache-2.0
"""Twenty thousand short sessions of every kind (ends, resets, refusals) through one relay: nothing
lost, descriptors and memory back at the base, and the counters balance (SO1, FL6)."""
import pytest

from harness.crowd import (BOTH, CLIENT_FIRST, CLIENT_RESET, REFUSED, SERVER_FIRST, SERVER_RESET,
                           Crowd, plans)
from harness.culvert import SANITIZER
from harness.peer import Listener, refused_address

ENDINGS = [CLIENT_FIRST, SERVER_FIRST, BOTH, CLIENT_RESET, SERVER_RESET, REFUSED]


def run(culvert, rounds, per_round, seconds, allowed_kb):
    server = Listener()
    relay = culvert({
        "listen main": {"bind": "127.0.0.1:0", "server": server.address},
        "listen dead": {"bind": "127.0.0.1:0", "server": refused_address(), "access": "off"},
    }, workers=2, log={"access": "off"})
    address, dead = relay.address(), relay.address("dead")
    memory = []
    total = 0
    for number in range(rounds):
        some = plans(per_round, seed=number, size=(0, 2000), endings=ENDINGS, first_id=total + 1)
        for plan in some:
            if plan.ending == REFUSED:
                plan.address = dead
        total += len(some)
        Crowd(address, server, at_once=50, seed=number, seconds=seconds, chunk=(1, 4000),
              read_size=(1000, 50_000),
              source=lambda plan: f"127.{1 + plan.id % 60}.0.1").run(some).check()
        relay.wait_idle()
        memory.append(relay.ledger().rss_kb)
    metrics = relay.metrics()
    accepted = metrics.value("culvert_connections_accepted_total")
    rejected = metrics.value("culvert_connections_rejected_total")
    closed = metrics.value("culvert_sessions_closed_total")
    assert accepted == total
    assert accepted == rejected + closed
    assert metrics.value("culvert_sessions") == 0
    assert metrics.value("culvert_sessions_closed_total", reason="internal") == 0
    if not SANITIZER:
        assert memory[-1] - memory[1] <= allowed_kb, memory


@pytest.mark.deadline(120)
def test_churn_20000(culvert):
    count = 4000 if not SANITIZER else 800
    run(culvert, 5, count, 100, 1024)


@pytest.mark.soak
@pytest.mark.deadline(4000)
def test_churn_1000000(culvert):
    run(culvert, 100, 10_000, 3000, 1024)
