# SPDX-License-Identifier: Apache-2.0
"""Turns figures into a Markdown page: medians, spread, and ratios of rounds that ran together."""

import os
import platform
import shlex
import statistics
import sys
from dataclasses import dataclass, field

import relays
import works


@dataclass
class Results:
    timed: list
    candidates: list
    traced: list
    rounds: dict = field(default_factory=dict)  # work key: {relay name: [figures or None]}
    memory: dict = field(default_factory=dict)  # relay name: (KiB proportional, KiB private)
    tls_memory: dict = field(default_factory=dict)  # the same of sessions with TLS
    calls: dict = field(default_factory=dict)  # (relay name, title of traced work): {call: per message}
    idle_calls: dict = field(default_factory=dict)  # relay name: calls a second
    counters: dict = field(default_factory=dict)
    failures: list = field(default_factory=list)

    def as_plain(self):
        return {"rounds": self.rounds, "memory": self.memory, "tls_memory": self.tls_memory,
                "calls": {f"{name}, {title}": counts for (name, title), counts in self.calls.items()},
                "idle_calls": self.idle_calls, "counters": self.counters,
                "failures": self.failures}

    def values(self, work, relay_name, figure):
        return [figures[figure] for figures in self.rounds[work.key][relay_name] if figures]

    def ratios(self, work, relay_name, peer_name, figure):
        """Of each round that both finished."""
        rounds = self.rounds[work.key]
        return [mine[figure] / theirs[figure]
                for mine, theirs in zip(rounds.get(relay_name, []), rounds.get(peer_name, []))
                if mine and theirs and theirs[figure] > 0]

    def peer_of(self, work, goal, figure):
        """The name of the peer that a goal speaks of; None if that peer was not measured."""
        if goal.peer != works.THE_BETTER:
            return goal.peer
        medians = {name: statistics.median(values) for name in ("HAProxy", "nginx")
                   if name in self.rounds[work.key]
                   and (values := self.values(work, name, figure))}
        return min(medians, key=medians.get) if medians else None


@dataclass
class Conditions:
    effort: works.Effort
    relay_cpu: int
    load_cpu: int
    mtu: int
    congestion_control: str
    idle_busy_share: float
    is_quick: bool


def _number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1 else f"{value:.3f}"


def _spread(values, form=_number):
    """The median, and the least and the greatest value."""
    if not values:
        return "–"
    if len(values) == 1:
        return form(values[0])
    return f"{form(statistics.median(values))} ({form(min(values))}–{form(max(values))})"


def _ratio(value):
    return f"{value:.2f}"


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |",
             "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _figure_table(results, timed, figure, title, columns, form=_number):
    """One row per work, one column per relay."""
    names = [relay.name for relay in columns]
    rows = [[work.title, title(work), *(_spread(results.values(work, name, figure), form)
                                        for name in names)]
            for work in timed]
    return _table(["work", "unit", *names], rows)


def _verdict(median, reach):
    return f"{reach} {'reached' if median <= reach else 'missed'}"


def _work_goal_rows(results, timed, subject):
    """Ratios of the subject's CPU, or latency, to that of a peer."""
    rows = []
    for work in timed:
        goals = [(goal, "cpu", "") for goal in work.goals]
        if work.key in ("latency", "rt64x64"):
            goals.append((works.LATENCY_GOAL, "p99", ", p99 latency"))
        for goal, figure, suffix in goals:
            peer = results.peer_of(work, goal, figure)
            ratios = results.ratios(work, subject, peer, figure)
            reach = _verdict(statistics.median(ratios), goal.reach) if ratios else str(goal.reach)
            rows.append([work.title + suffix, peer or goal.peer, _spread(ratios, _ratio),
                         f"≤ {reach}", "–" if goal.hope is None else str(goal.hope)])
    return rows


def _goal_rows(results, timed, subject):
    """The table of what is to be reached without TLS."""
    rows = _work_goal_rows(results, timed, subject)
    memory = results.memory.get(subject)
    if memory:
        reach, hope = works.IDLE_MEMORY_GOAL
        rows.append(["user memory per idle session, KiB", "absolute", _number(memory[0]),
                     f"≤ {_verdict(memory[0], reach)}", str(hope)])
    for traced in results.traced:
        calls = results.calls.get((subject, traced.title))
        if calls and traced.reach:
            # What a relay does now and then, without a message, is not to decide.
            total = round(sum(calls.values()), 1)
            rows.append([f"system calls {traced.title}", "absolute", _ratio(sum(calls.values())),
                         f"≤ {_verdict(total, traced.reach)}", "–"])
    idle = results.idle_calls.get(subject)
    if idle is not None:
        each = idle / works.IDLE_CALLS_SESSIONS
        rows.append(["system calls per idle session per second", "absolute", f"{each:.3f}",
                     f"≤ {_verdict(round(each, 2), 0)}", "0"])
    return rows


def _tls_goal_rows(results, timed, subject):
    rows = _work_goal_rows(results, timed, subject)
    mine = results.tls_memory.get(subject)
    theirs = {name: results.tls_memory[name][0] for name in ("HAProxy", "nginx")
              if results.tls_memory.get(name)}
    if mine and theirs:
        peer = min(theirs, key=theirs.get)
        ratio = mine[0] / theirs[peer]
        rows.append(["user memory per idle session", peer, _ratio(ratio),
                     f"≤ {_verdict(ratio, works.TLS_MEMORY_REACH)}", "–"])
    return rows


def _peer_ratios(results, timed, columns):
    """CPU of every relay as a ratio to HAProxy's in the same round."""
    names = [relay.name for relay in columns if relay.name != "HAProxy"]
    rows = [[work.title, *(_spread(results.ratios(work, name, "HAProxy", "cpu"), _ratio)
                           for name in names)]
            for work in timed]
    return _table(["work", *names], rows)


def _calls_table(results, works_traced, columns, has_idle):
    rows = []
    for relay in columns:
        row = [relay.name]
        for traced in works_traced:
            calls = results.calls.get((relay.name, traced.title))
            if not calls:
                row.append("–")
                continue
            parts = ", ".join(f"{name} {count:.2f}" for name, count
                              in sorted(calls.items(), key=lambda item: -item[1]) if count >= 0.05)
            row.append(f"{sum(calls.values()):.2f} ({parts})")
        if has_idle:
            idle = results.idle_calls.get(relay.name)
            row.append("–" if idle is None else _number(idle))
        rows.append(row)
    heads = [traced.title for traced in works_traced]
    if has_idle:
        heads.append(f"per second, {works.IDLE_CALLS_SESSIONS} idle sessions")
    return _table(["relay", *heads], rows)


def _memory_table(memory, columns):
    return _table(["relay", "KiB, proportional", "KiB, private"],
                  [[relay.name, *map(_number, memory[relay.name])]
                   for relay in columns if memory.get(relay.name)])


def _cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        text = file.read()
    model = next((line.split(":", 1)[1].strip() for line in text.splitlines()
                  if line.startswith("model name")), platform.machine())
    return model + (", in a virtual machine" if " hypervisor" in text else "")


def _command():
    """The command line, without the folders of the machine it was run on."""
    words = ["python3", "tests/bench/run.py"]
    words += [os.path.basename(word) if os.path.isabs(word) else word for word in sys.argv[1:]]
    return " ".join(shlex.quote(word) for word in words)


def _conditions(results, conditions):
    effort = conditions.effort
    versions = ", ".join(f"{relay.name} {relay.version}" for relay in results.candidates
                         if relay.name != "direct")
    pinning = (f"relay on CPU {conditions.relay_cpu}, clients and servers on CPU "
               f"{conditions.load_cpu}; with one bulk session everything on CPU "
               f"{conditions.relay_cpu}")
    bad = {name: count for name, count in results.counters.items() if count}
    rows = [
        ("kernel", platform.release()),
        ("CPU", f"{_cpu_model()}, {os.cpu_count()} CPUs"),
        ("versions", versions),
        ("network", f"loopback of a private namespace, MTU {conditions.mtu}, "
                    f"{conditions.congestion_control}"),
        ("placement", pinning),
        ("rounds", f"{effort.rounds} counted after one that is not, relays in turn; "
                   f"{effort.seconds} s or {effort.bulk_bytes / works.GB:g} GB each"),
        ("rest of the machine", f"{conditions.idle_busy_share:.1%} of one CPU busy before the "
                                "start, subtracted from the whole machine's time"),
        ("drops, timeouts, memory pressure",
         ", ".join(f"{name} {count}" for name, count in bad.items()) or "none"),
        ("command", f"`{_command()}`"),
    ]
    return "| condition | value |\n|---|---|\n" + "".join(f"| {name} | {value} |\n"
                                                      for name, value in rows)


def _latency(results, timed):
    names = [relay.name for relay in results.candidates]
    parts = []
    for work in timed:
        if work.key not in ("latency", "rt64x64", "connect"):
            continue
        how = ("from the moment each message was due, whether or not it could be sent then"
               if work.key == "latency" else "each begun when the one before it was over")
        rows = [[f"{figure}, us", *(_spread(results.values(work, name, figure)) for name in names)]
                for figure in ("p50", "p99", "p99.9", "max")]
        parts += [f"## Latency: {work.title}\n", how.capitalize() + ".\n",
                  _table(["", *names], rows)]
    return parts


def _rate_unit(work):
    return "GB/s" if work.service == "source" else "per second"


def _cpu_parts(results, timed, level, columns, candidates):
    """What the timed works cost: every table but that of latencies."""
    return [f"{level} CPU time of the relay\n", "User and system time of the whole process tree.\n",
            _figure_table(results, timed, "cpu", lambda work: work.unit, columns),
            f"{level} The same as a ratio to HAProxy\n", _peer_ratios(results, timed, columns),
            f"{level} CPU time of the whole machine\n",
            "Clients, servers, relay and kernel threads together; a saving that only moves work "
            "elsewhere does not show here.\n",
            _figure_table(results, timed, "busy", lambda work: work.unit, candidates),
            "Of it, in ksoftirqd and kworker threads:\n",
            _figure_table(results, timed, "kernel", lambda work: work.unit, candidates),
            f"{level} Rate\n", _figure_table(results, timed, "rate", _rate_unit, candidates)]


def _load_parts(results, timed, level, candidates):
    return [f"{level} Load of the CPUs\n",
            "Share of one CPU used by clients and servers together: near 1 the generator is the "
            "limit of the rate, and latencies of the fixed schedule would be its own.\n",
            _figure_table(results, timed, "load_share", lambda work: "share", candidates, _ratio)]


def _plain_parts(results, conditions, real):
    timed = [work for work in results.timed if not work.tls]
    traced = [work for work in results.traced if not work.tls]
    parts = []
    if timed:
        parts += _cpu_parts(results, timed, "##", real, results.candidates)
        parts += _latency(results, timed)
        parts += _load_parts(results, timed, "##", results.candidates)
    if results.memory:
        parts += ["## User memory per idle session\n",
                  "Slope between a tenth and all of "
                  f"{conditions.effort.idle_sessions} sessions that made one round trip each.\n",
                  _memory_table(results.memory, real)]
    if any(results.calls.get((relay.name, work.title)) for relay in real for work in traced):
        parts += ["## System calls\n", "Counted by strace, in runs that are not timed.\n",
                  _calls_table(results, traced, real, has_idle=True)]
    return parts


def _tls_parts(results, conditions, subjects, speakers):
    timed = [work for work in results.timed if work.tls]
    traced = [work for work in results.traced if work.tls]
    has_calls = any(results.calls.get((relay.name, work.title))
                    for relay in speakers for work in traced)
    if not (timed or results.tls_memory or has_calls):
        return []
    parts = ["## TLS\n",
             "TLS 1.3 with TLS_AES_128_GCM_SHA256 and X25519; the certificate, the same for all, "
             "is ECDSA P-256; every relay uses the OpenSSL of the system. A connection is a "
             "handshake, one round trip of 64 B, close_notify from the client and then the relay's "
             "end. A resumed one spends a ticket that no other has used. HAProxy and nginx have "
             "no session cache, which tickets do not need. With a full handshake culvert and nginx "
             "give one ticket, HAProxy, where that cannot be set, two.\n"]
    for subject in subjects:
        parts += [f"### What {subject.name} is to reach\n",
                  "CPU time, or memory, as a ratio to that of the better of HAProxy and nginx.\n",
                  _table(["work", "against", "measured", "to reach", "hoped for"],
                         _tls_goal_rows(results, timed, subject.name))]
    if timed:
        parts += _cpu_parts(results, timed, "###", speakers, speakers)
        parts += _load_parts(results, timed, "###", speakers)
    if results.tls_memory:
        parts += ["### User memory per idle session with TLS\n",
                  "Slope between a tenth and all of "
                  f"{conditions.effort.idle_sessions} sessions that made one round trip each.\n",
                  _memory_table(results.tls_memory, speakers)]
    if has_calls:
        parts += ["### System calls with TLS\n", "Counted by strace, in runs that are not timed.\n",
                  _calls_table(results, traced, speakers, has_idle=False)]
    return parts


def page(results, conditions):
    real = [relay for relay in results.candidates if not isinstance(relay, relays.Direct)]
    subjects = [relay for relay in real if isinstance(relay, relays.Culvert)]
    plain = [work for work in results.timed if not work.tls]
    parts = ["<!-- SPDX-License-Identifier: Apache-2.0 -->\n# Performance\n",
             "Made by `tests/bench/run.py`; `tests/bench/README.md` tells how it measures and what "
             "that is worth. Each figure is the median of the rounds, with the least and the "
             "greatest in brackets. A ratio is taken within each round and then its median, so "
             "what slows the whole machine for a while slows both sides of it. Less is better "
             "wherever no rate is given.\n"]
    if conditions.is_quick:
        parts.append("**This was a quick try: too short to be believed.**\n")
    parts += ["## Conditions\n", _conditions(results, conditions)]
    for subject in subjects:
        rows = _goal_rows(results, plain, subject.name)
        if rows:
            parts += [f"## What {subject.name} is to reach\n",
                      f"CPU time of {subject.name} with all its threads, or its latency, as a "
                      "ratio to the peer's; and what no peer is needed for.\n",
                      _table(["work", "against", "measured", "to reach", "hoped for"], rows)]
    parts += _plain_parts(results, conditions, real)
    parts += _tls_parts(results, conditions, subjects,
                        [relay for relay in real if relay.speaks_tls])
    if results.failures:
        parts += ["## What could not be measured\n",
                  "".join(f"- {failure}\n" for failure in results.failures)]
    return "\n".join(parts)
