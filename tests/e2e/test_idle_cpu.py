# SPDX-License-Identifier: Apache-2.0
"""Nothing to do costs nothing: no wake-ups without sessions, next to none with a thousand idle ones
(SO5)."""
import pytest

from harness.culvert import relay_to
from harness.peer import Listener, exchange, pair

pytestmark = pytest.mark.plain_build


def measure(relay, someone, seconds):
    before = relay.ledger()
    assert someone.nobody_came(seconds)
    after = relay.ledger()
    return after.cpu_s - before.cpu_s, (after.switches - before.switches) / seconds


def run(culvert, count, seconds):
    server = Listener()
    # The timer armed for connecting looks once more when it fires, then sleeps for an hour.
    relay = culvert(relay_to(server, defaults={"connect_timeout": "300ms"}), workers=2)
    relay.wait_quiet()
    cpu, wakeups = measure(relay, server, seconds)
    assert cpu < 0.001 * seconds + 0.002, f"{cpu * 1000:.1f} ms of processor time without sessions"
    assert wakeups <= 3, f"{wakeups} wake-ups per second without sessions"
    sessions = [pair(relay, server) for _ in range(count)]
    for client, served in sessions:
        exchange(client, served)
    relay.wait_quiet()
    assert server.nobody_came(0.6)  # those timers, and the rechecks of what just happened
    cpu, wakeups = measure(relay, server, seconds)
    assert cpu < 0.001 * seconds + 0.002, f"{cpu * 1000:.1f} ms of processor time, {count} idle"
    assert wakeups <= 6, f"{wakeups} wake-ups per second with {count} idle sessions"
    for client, served in sessions[::100]:
        exchange(client, served)


def test_idle_cpu(culvert):
    run(culvert, 1000, 2)


@pytest.mark.soak
@pytest.mark.deadline(900)
def test_idle_cpu_4500_sessions(culvert):
    run(culvert, 4500, 300)
