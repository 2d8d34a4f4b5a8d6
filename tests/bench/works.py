# SPDX-License-Identifier: Apache-2.0
"""What is measured: the works the clients do, and the ratios culvert is to reach."""

from typing import NamedTuple, Optional

GB = 10**9
LATENCY_RATE = 15000  # messages a second: below what the slowest of the relays can do


class Goal(NamedTuple):
    """The highest wanted ratio of culvert to a peer, and the one hoped for."""

    peer: str
    reach: float
    hope: float


class Work(NamedTuple):
    key: str
    title: str
    client: tuple  # arguments of the load program
    unit: str  # what the CPU time is divided by, with the scale: "us" each or "s" per GB
    goals: tuple = ()
    on_one_core: bool = False
    service: str = "echo"

    def units(self, result):
        return result["bytes"] / GB if self.service == "source" else result["operations"]

    def scale(self):
        return 1 if self.service == "source" else 1e6


class Traced(NamedTuple):
    """A work whose system calls are counted."""

    title: str
    client: tuple
    messages: int  # what the count is divided by
    reach: Optional[float] = None


class Effort(NamedTuple):
    """How much of each work is done."""

    rounds: int  # counted ones; one more goes before them
    seconds: float
    bulk_bytes: int
    idle_sessions: int
    traced_messages: int


FULL = Effort(rounds=5, seconds=3, bulk_bytes=8 * GB, idle_sessions=4500, traced_messages=6400)
QUICK = Effort(rounds=2, seconds=0.5, bulk_bytes=GB, idle_sessions=1000, traced_messages=1280)


def timed_works(effort):
    seconds = ("--seconds", str(effort.seconds))
    volume = ("--bytes", str(effort.bulk_bytes))

    def round_trips(key, title, size, sessions, goal):
        client = ("pingpong", "--size", str(size), "--sessions", str(sessions), *seconds)
        return Work(key, title, client, "us per round trip", (goal,))

    def bulk(sessions, goals):
        # With one session on two cores, what is measured is mostly how cores wake each other.
        return Work(f"bulk{sessions}", f"bulk, {sessions} session{'s' * (sessions > 1)}",
                    ("bulk", "--sessions", str(sessions), *volume), "s per GB", goals,
                    on_one_core=sessions == 1, service="source")

    return [
        round_trips("rt64x64", "64 B round trips, 64 sessions", 64, 64,
                    Goal("HAProxy", 0.88, 0.80)),
        round_trips("rt64x1000", "64 B round trips, 1000 sessions", 64, 1000,
                    Goal("HAProxy", 0.86, 0.75)),
        round_trips("rt64k", "64 KiB round trips, 64 sessions", 65536, 64,
                    Goal("HAProxy", 0.40, 0.34)),
        bulk(1, (Goal("HAProxy", 0.36, 0.26),)),
        bulk(8, (Goal("HAProxy", 0.30, 0.25), Goal("HAProxy splice", 0.98, 0.85))),
        bulk(64, (Goal("HAProxy", 0.25, 0.20), Goal("HAProxy splice", 0.85, 0.70))),
        Work("connect", "connect, 64 B, close, 32 at once",
             ("connect", "--sessions", "32", *seconds), "us per connection",
             (Goal("HAProxy", 0.90, 0.80),)),
        Work("latency", f"64 B round trips, 64 sessions, {LATENCY_RATE} a second",
             ("pingpong", "--sessions", "64", "--rate", str(LATENCY_RATE), *seconds),
             "us per round trip"),
    ]


LATENCY_GOAL = Goal("HAProxy", 1.0, 0.8)  # of p99 at a fixed rate
IDLE_MEMORY_GOAL = (0.9, 0.5)  # KiB of user memory per idle session
IDLE_CALLS_SESSIONS = 1000  # with how many idle sessions the calls per second are counted


def traced_works(effort):
    def messages(sessions, reach):
        rounds = effort.traced_messages // 64 * 64
        return Traced(f"per one-way message, {sessions} session{'s' * (sessions > 1)}",
                      ("pingpong", "--sessions", str(sessions), "--messages", str(rounds),
                       "--seconds", "60"), rounds * 2, reach)

    connections = effort.traced_messages // 4
    return [messages(1, 3.0), messages(64, 2.2),
            Traced("per connection", ("connect", "--sessions", "32", "--messages",
                                      str(connections), "--seconds", "60"), connections)]
