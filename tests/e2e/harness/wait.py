# SPDX-License-Identifier: Apache-2.0
"""Deadlines. Every wait in the suite is for a condition and ends by itself.

CULVERT_TEST_SLOW multiplies all deadlines: sanitizer builds need more time to do the same things.
So does a machine that others load, by how much they load it. Neither shortens what a test demands
to be slow.
"""
import os
import time

SLOW = float(os.environ.get("CULVERT_TEST_SLOW", "1"))


def slowness():
    """How many times longer than on an idle machine things may take now."""
    waiting_per_processor = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    return SLOW * min(max(1.0, waiting_per_processor / 1.5), 5.0)


class DeadlinePassed(AssertionError):
    pass


class Deadline:
    """A point in time, `seconds` (scaled) from now."""

    def __init__(self, seconds):
        self.seconds = seconds * slowness()
        self.end = time.monotonic() + self.seconds

    def left(self):
        return max(0.0, self.end - time.monotonic())

    def passed(self):
        return time.monotonic() >= self.end


def wait_until(condition, seconds=5, what="the condition"):
    """Call `condition` until it answers something true, and return that answer.

    `what` is the sentence of the failure; it may be a function, called when the wait fails.
    """
    deadline = Deadline(seconds)
    pause = 0.001
    while True:
        answer = condition()
        if answer:
            return answer
        if deadline.passed():
            sentence = what() if callable(what) else what
            raise DeadlinePassed(f"waited {deadline.seconds:.1f} s for {sentence}; last answer: {answer!r}")
        time.sleep(min(pause, 0.02))
        pause *= 1.5


def stays_true(condition, seconds, what="the condition"):
    """Watch `condition` for `seconds` (not scaled): it must hold the whole time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), f"{what} ceased to hold"
        time.sleep(0.01)


class Stopwatch:
    """Measures what a test bounds: `took < limit(0.1)` scales the bound, never the measurement."""

    def __init__(self):
        self.start = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.start


def limit(seconds):
    """An upper bound, scaled for slow builds and loaded machines.

    A machine may stand still for a moment at any time. What one measurement is held against must
    leave room for that; where a small delay is the fault, the median of some rounds is measured.
    """
    return seconds * slowness()


def span(seconds):
    """A timeout of the relay that the test must not be slower than: scaled likewise.

    timeout = span(0.5); relay = culvert(... {"idle_timeout": duration(timeout)})
    """
    return seconds * slowness()


def duration(seconds):
    """Seconds as a duration of the configuration."""
    return f"{round(seconds * 1000)}ms"
