# SPDX-License-Identifier: Apache-2.0
"""A small message one way costs the relay at most three system calls: wait, receive, send."""
import pytest

from harness.culvert import relay_to
from harness.peer import Listener, exchange, pair
from harness.strace import CallCount, needs_strace

pytestmark = [needs_strace, pytest.mark.plain_build]

ROUNDS = 500


def test_syscalls_per_message(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    exchange(client, served)
    counting = CallCount(relay.pid, relay.directory)
    for _ in range(ROUNDS):
        exchange(client, served)
    counts = counting.stop()
    total = sum(counts.values())
    # The worker's tick and the look of the log and control threads add a handful.
    assert total / (2 * ROUNDS) <= 3.05, counts


def test_no_system_call_while_idle(culvert):
    server = Listener()
    # The timer armed for connecting looks once more when it fires, then sleeps for an hour.
    relay = culvert(relay_to(server, defaults={"connect_timeout": "200ms"}))
    sessions = [pair(relay, server) for _ in range(50)]
    for client, served in sessions:
        exchange(client, served)
    assert server.nobody_came(0.5)
    counting = CallCount(relay.pid, relay.directory)
    assert server.nobody_came(1.5)
    counts = counting.stop()
    assert sum(counts.values()) <= 12, counts
