# SPDX-License-Identifier: Apache-2.0
"""Nothing to do costs nothing: no wake-ups without sessions, next to none with a thousand idle ones
(SO5)."""
import pytest

from harness.culvert import relay_to
from harness.peer import Listener, exchange, pair

pytestmark = pytest.mark.plain_build


def check_quiet(relay, someone, seconds, most, what):
    """At most `most` wake-ups a second and next to no processor time. What went before may still
    have its timers, and late ones on a loaded machine: what wakes for ever wakes the third time."""
    for _ in range(3):
        before = relay.ledger()
        assert someone.nobody_came(seconds)
        after = relay.ledger()
        cpu, wakeups = after.cpu_s - before.cpu_s, (after.switches - before.switches) / seconds
        if cpu < 0.001 * seconds + 0.002 and wakeups <= most:
            return
    raise AssertionError(f"{cpu * 1000:.1f} ms of processor time, {wakeups} wake-ups per second {what}")


def run(culvert, count, seconds):
    server = Listener()
    # The timer armed for connecting looks once more when it fires, then sleeps for an hour.
    relay = culvert(relay_to(server, defaults={"connect_timeout": "300ms"}), workers=2)
    relay.wait_quiet()
    check_quiet(relay, server, seconds, 3, "without sessions")
    sessions = [pair(relay, server) for _ in range(count)]
    for client, served in sessions:
        exchange(client, served)
    relay.wait_quiet()
    assert server.nobody_came(0.6)  # those timers, and the rechecks of what just happened
    check_quiet(relay, server, seconds, 6, f"with {count} idle sessions")
    for client, served in sessions[::100]:
        exchange(client, served)


def test_idle_cpu(culvert):
    run(culvert, 1000, 2)


@pytest.mark.soak
@pytest.mark.deadline(900)
def test_idle_cpu_4500_sessions(culvert):
    run(culvert, 4500, 300)
