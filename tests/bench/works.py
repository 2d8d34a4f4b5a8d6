# SPDX-License-Identifier: Apache-2.0
"""What is measured: the works the clients do, and the ratios culvert is to reach."""

from typing import NamedTuple, Optional

GB = 10**9
LATENCY_RATE = 15000  # messages a second: below what the slowest of the relays can do


THE_BETTER = "the better"  # of HAProxy and nginx, in the work that is looked at


class Goal(NamedTuple):
    """The highest wanted ratio of culvert to a peer, and the one hoped for."""

    peer: str
    reach: float
    hope: Optional[float] = None


class Work(NamedTuple):
    key: str
    title: str
    client: tuple  # arguments of the load program
    unit: str  # what the CPU time is divided by, with the scale: "us" each or "s" per GB
    goals: tuple = ()
    on_one_core: bool = False
    service: str = "echo"
    tls: Optional[str] = None  # whom the relay speaks TLS with: "clients" or "servers"

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
    service: str = "echo"
    tls: Optional[str] = None


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


def tls_works(effort):
    seconds = ("--seconds", str(effort.seconds))
    volume = ("--bytes", str(effort.bulk_bytes // 2))
    connect = ("connect", "--tls", "--sessions", "32", *seconds)
    bulk_goal = (Goal(THE_BETTER, 0.95),)
    return [
        Work("tlsfull", "full handshake, 64 B, close, 32 at once", connect, "us per connection",
             (Goal(THE_BETTER, 1.0),), tls="clients"),
        Work("tlsresumed", "resumed handshake, 64 B, close, 32 at once", (*connect, "--resume"),
             "us per connection", (Goal(THE_BETTER, 1.0),), tls="clients"),
        Work("tlsrt64", "64 B round trips, 64 sessions",
             ("pingpong", "--tls", "--sessions", "64", *seconds), "us per round trip",
             (Goal(THE_BETTER, 0.95),), tls="clients"),
        Work("tlsbulk1", "bulk to a TLS client, 1 session", ("bulk", "--tls", *volume), "s per GB",
             bulk_goal, on_one_core=True, service="source", tls="clients"),
        Work("tlsbulk8", "bulk to TLS clients, 8 sessions",
             ("bulk", "--tls", "--sessions", "8", *volume), "s per GB", bulk_goal,
             service="source", tls="clients"),
        Work("tlsorigin8", "bulk from TLS servers, 8 sessions",
             ("bulk", "--sessions", "8", *volume), "s per GB", bulk_goal, service="source",
             tls="servers"),
    ]


LATENCY_GOAL = Goal("HAProxy", 1.0, 0.8)  # of p99 at a fixed rate
IDLE_MEMORY_GOAL = (0.9, 0.5)  # KiB of user memory per idle session
TLS_MEMORY_REACH = 1.0  # memory of an idle TLS session, as a ratio to the better of the peers
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


TRACED_MB = 64


def tls_traced_works(effort):
    messages = effort.traced_messages // 64 * 64
    connections = effort.traced_messages // 4

    def traced(title, client, count, service="echo"):
        return Traced(title, (*client, "--tls", "--seconds", "60"), count, service=service,
                      tls="clients")

    connect = ("connect", "--sessions", "32", "--messages", str(connections))
    return [
        traced("per one-way TLS message, 64 sessions",
               ("pingpong", "--sessions", "64", "--messages", str(messages)), messages * 2),
        traced("per full handshake, 64 B, close", connect, connections),
        traced("per resumed handshake, 64 B, close", (*connect, "--resume"), connections),
        traced("per MB to a TLS client", ("bulk", "--bytes", str(TRACED_MB * 10**6)), TRACED_MB,
               "source"),
    ]
