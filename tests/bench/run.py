#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures culvert against other relays and prints a table; see README.md in this folder.

Everything runs on the loopback interface of a private network namespace. Times are reported,
never asserted: the exit status is 1 only if something could not be measured.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import measure
import processes
import relays
import report
import works

HERE = os.path.dirname(os.path.abspath(__file__))
CONNECT_TIMERS_SECONDS = 6


class Bench:
    def __init__(self, children, folder, load, relay_cpu, load_cpu):
        self.children, self.folder, self.load = children, folder, load
        self.relay_cpu, self.load_cpu = relay_cpu, load_cpu
        self.server = None
        self.certificate = relays.make_certificate(folder)
        self.idle_busy_share = 0.0  # of one CPU, while the benchmark does nothing
        self.failures = []

    def observe_idle_machine(self, seconds):
        before, started = measure.machine_busy_seconds(), time.monotonic()
        time.sleep(seconds)  # what is measured is the passing of time itself
        self.idle_busy_share = ((measure.machine_busy_seconds() - before)
                                / (time.monotonic() - started))

    def start_server(self, tls):
        certificate = ["--certificate", self.certificate] if tls == "servers" else []
        self.server = self.children.spawn(
            [self.load, "server", "--address", relays.SERVERS[0], "--addresses",
             str(len(relays.SERVERS)), "--port", str(relays.ECHO_PORT), "--source-port",
             str(relays.SOURCE_PORT), *certificate],
            cpu=self.load_cpu, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.expect_ready(self.server, "the server")

    def stop_server(self):
        self.children.end(self.server)
        self.server = None

    def expect_ready(self, process, who):
        line = process.stdout.readline().decode()
        if line != "ready\n":
            reason = process.stderr.read().decode().strip() if process.stderr else ""
            raise RuntimeError(f"{who} is not ready: {reason or 'it ended'}")

    def start_client(self, relay, arguments, service="echo"):
        port = relay.echo_port if service == "echo" else relay.source_port
        return self.children.spawn(
            [self.load, *arguments, "--address", relay.client_address, "--addresses", "8", "--port",
             str(port)],
            cpu=self.load_cpu, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def run_client(self, client):
        """Lets a client that is ready do its work; returns its result."""
        client.stdin.write(b"go\n")
        client.stdin.flush()
        line = client.stdout.readline()
        if not line:
            raise RuntimeError(client.stderr.read().decode().strip() or "the client ended")
        result = json.loads(line)
        if result["errors"]:
            raise RuntimeError(f"{result['errors']} sessions broke or got no answer")
        if result["operations"] == 0:
            raise RuntimeError("nothing was completed")
        return result

    def one_round(self, work, relay):
        client = self.start_client(relay, work.client, work.service)
        load = [client.pid, self.server.pid]

        def read():
            return {"cpu": measure.cpu_seconds(relay.roots()), "load": measure.cpu_seconds(load),
                    "kernel": measure.kernel_thread_seconds(),
                    "busy": measure.machine_busy_seconds()}

        try:
            if work.on_one_core:
                for pid in load:
                    os.sched_setaffinity(pid, {self.relay_cpu})
            self.expect_ready(client, "the client")
            before = read()
            result = self.run_client(client)
            spent = {key: value - before[key] for key, value in read().items()}
        finally:
            os.sched_setaffinity(self.server.pid, {self.load_cpu})
            self.children.end(client)
        spent["busy"] -= self.idle_busy_share * result["seconds"]
        units, scale = work.units(result), work.scale()
        return {"cpu": spent["cpu"] / units * scale, "busy": spent["busy"] / units * scale,
                "kernel": spent["kernel"] / units * scale, "rate": units / result["seconds"],
                "load_share": spent["load"] / result["seconds"],
                "relay_share": spent["cpu"] / result["seconds"], **result["latency_us"]}

    def note_failure(self, relay, error):
        text = f"{relay.name}: {error}"
        if text not in self.failures:
            self.failures.append(text)

    def start_relays(self, candidates, tls):
        """Those that started; the others are noted as failures."""
        started = []
        for relay in candidates:
            try:
                relay.start(self.children, self.folder, self.relay_cpu, tls, self.certificate)
                started.append(relay)
            except (RuntimeError, OSError) as error:
                self.note_failure(relay, error)
        return started

    def measure_work(self, work, candidates, rounds):
        """{relay name: [figures or None per counted round]}; the rounds of relays alternate."""
        counted = {relay.name: [] for relay in candidates}
        self.start_server(work.tls)
        started = self.start_relays(candidates, work.tls)
        try:
            for number in range(rounds + 1):
                for relay in started:
                    say(f"{work.title}: round {number}/{rounds}, {relay.name}")
                    figures = None  # keeps the rounds of different relays side by side
                    try:
                        figures = self.one_round(work, relay)
                    except RuntimeError as error:
                        self.note_failure(relay, f"{work.title}: {error}")
                    if number > 0:  # the first one warms caches and slabs
                        counted[relay.name].append(figures)
        finally:
            for relay in started:
                relay.stop(self.children)
            self.stop_server()
        return counted

    def on_fresh(self, relay, action, tls=None):
        """Calls `action` with a freshly started relay; None if that is not possible."""
        self.start_server(tls)
        try:
            relay.start(self.children, self.folder, self.relay_cpu, tls, self.certificate)
            return action(relay)
        except (RuntimeError, OSError) as error:
            self.note_failure(relay, error)
            return None
        finally:
            relay.stop(self.children)
            self.stop_server()

    def hold_idle(self, relay, counts, action):
        """Opens as many sessions as each of `counts` says, calling `action` at each stop."""
        tls = ("--tls",) if relay.tls == "clients" else ()
        client = self.start_client(relay, ("idle", "--sessions", str(max(counts)), *tls))
        try:
            for count in counts:
                client.stdin.write(f"{count}\n".encode())
                client.stdin.flush()
                self.expect_ready(client, "the client")
                action(count)
        finally:
            self.children.end(client)

    def idle_memory(self, relay, sessions, tls=None):
        """KiB per idle session, as (proportional set size, private memory)."""
        def act(relay):
            points = []
            self.hold_idle(relay, (sessions // 10, sessions),
                           lambda count: points.append((count, *settled_memory(relay))))
            (few, *low), (many, *high) = points
            return tuple((after - before) / 1024 / (many - few)
                         for before, after in zip(low, high))

        say(f"idle memory{', TLS' * bool(tls)}: {relay.name}")
        return self.on_fresh(relay, act, tls)

    def idle_system_calls(self, relay, sessions, seconds):
        """System calls a second of a relay that holds idle sessions."""
        def act(relay):
            trace = measure.SystemCalls(self.children, relay.roots()[0],
                                        os.path.join(relay.folder, "strace"))

            def watch(_count):
                # Timers that were armed for the connect, 5 s here, may fire once more each.
                time.sleep(CONNECT_TIMERS_SECONDS)
                with trace:
                    time.sleep(seconds)  # nothing is to happen meanwhile; that is the point

            self.hold_idle(relay, (sessions,), watch)
            return sum(trace.counts.values()) / seconds

        say(f"idle system calls: {relay.name}")
        return self.on_fresh(relay, act)

    def work_system_calls(self, relay, work):
        """{system call: number per message} of a client's work."""
        def act(relay):
            trace = measure.SystemCalls(self.children, relay.roots()[0],
                                        os.path.join(relay.folder, "strace"))
            client = self.start_client(relay, work.client, work.service)
            try:
                self.expect_ready(client, "the client")
                with trace:
                    self.run_client(client)
            finally:
                self.children.end(client)
            return {name: count / work.messages for name, count in trace.counts.items()}

        say(f"system calls, {' '.join(work.client)}: {relay.name}")
        return self.on_fresh(relay, act, work.tls)


def settled_memory(relay):
    """The memory of a relay once it has stopped changing."""
    deadline = time.monotonic() + 5
    last = None
    while True:
        now = measure.memory_bytes(relay.roots()[0])
        if now == last or time.monotonic() > deadline:
            return now
        last = now
        time.sleep(0.3)


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def find_load(arguments, folder):
    """The load program: given, beside culvert in the build folder, or compiled here and now."""
    if arguments.load:
        return os.path.abspath(arguments.load)
    for culvert in arguments.culvert:
        built = os.path.join(os.path.dirname(os.path.abspath(culvert)), "..", "tests", "bench",
                             "load")
        if os.access(built, os.X_OK):
            return os.path.normpath(built)
    program = os.path.join(folder, "load")
    sources = [os.path.join(HERE, name) for name in os.listdir(HERE)
               if name.endswith(".c") and not name.startswith("test_")]
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O2", "-o", program,
                    *sources, "-lssl", "-lcrypto"], check=True)
    return program


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--culvert", action="append", default=[], metavar="PATH",
                        help="a release build; give it twice to compare two builds")
    parser.add_argument("--rounds", type=int, help="counted rounds of each work (5)")
    parser.add_argument("--quick", action="store_true", help="a try: short, and not to be believed")
    parser.add_argument("--output", metavar="FILE", help="write the page there, too")
    parser.add_argument("--json", metavar="FILE", help="write every figure of every round there")
    parser.add_argument("--works", metavar="KEY,...", help="only these; memory and calls are two, tls is all with TLS")
    parser.add_argument("--relays", metavar="NAME,...", help="only these peers, by their titles")
    parser.add_argument("--relay-cpu", type=int, help="where the relays run (the last CPU)")
    parser.add_argument("--mtu", type=int, help="of the loopback interface (the kernel's 65536)")
    parser.add_argument("--load", metavar="PATH", help="the load program, if built elsewhere")
    return parser.parse_args()


def choose_cpus(arguments):
    cpus = sorted(os.sched_getaffinity(0))
    relay_cpu = cpus[-1] if arguments.relay_cpu is None else arguments.relay_cpu
    if relay_cpu not in cpus:
        sys.exit(f"bench: CPU {relay_cpu} is not among {cpus}")
    others = [cpu for cpu in cpus if cpu != relay_cpu]
    return relay_cpu, others[0] if others else relay_cpu


def choose_relays(arguments):
    candidates, missing = relays.available(arguments.culvert)
    if arguments.relays:
        wanted = arguments.relays.split(",")
        candidates = [relay for relay in candidates
                      if relay.name in wanted or isinstance(relay, relays.Culvert)]
    return candidates, missing


def measure_all(bench, arguments, effort, candidates):
    known = works.timed_works(effort) + works.tls_works(effort)
    keys = [work.key for work in known] + ["memory", "calls", "tlsmemory", "tlscalls"]
    wanted = arguments.works.split(",") if arguments.works else keys
    for key in wanted:
        if key not in keys + ["tls"]:
            sys.exit(f"bench: there is no work '{key}' (there are: {' '.join(keys)})")

    def is_wanted(key):
        return key in wanted or ("tls" in wanted and key.startswith("tls"))

    real = [relay for relay in candidates if not isinstance(relay, relays.Direct)]
    speakers = [relay for relay in candidates if relay.speaks_tls]
    traced = works.traced_works(effort)
    tls_traced = works.tls_traced_works(effort)
    results = report.Results(timed=[work for work in known if is_wanted(work.key)],
                             candidates=candidates, traced=traced + tls_traced)
    for work in results.timed:
        results.rounds[work.key] = bench.measure_work(
            work, speakers if work.tls else candidates, effort.rounds)
    if is_wanted("memory"):
        for relay in real:
            results.memory[relay.name] = bench.idle_memory(relay, effort.idle_sessions)
    if is_wanted("tlsmemory"):
        for relay in speakers:
            results.tls_memory[relay.name] = bench.idle_memory(relay, effort.idle_sessions,
                                                               "clients")
    if is_wanted("calls"):
        for relay in real:
            for work in traced:
                results.calls[relay.name, work.title] = bench.work_system_calls(relay, work)
            results.idle_calls[relay.name] = bench.idle_system_calls(
                relay, works.IDLE_CALLS_SESSIONS, 3)
    if is_wanted("tlscalls"):
        for relay in speakers:
            for work in tls_traced:
                results.calls[relay.name, work.title] = bench.work_system_calls(relay, work)
    return results


def main():
    arguments = parse_arguments()
    for culvert in arguments.culvert:
        if not os.access(culvert, os.X_OK):
            sys.exit(f"bench: {culvert} is not a program")
    processes.enter_private_network()
    processes.set_up_loopback(arguments.mtu)
    congestion_control = processes.choose_reno()
    # Ends what was started also when the benchmark itself is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    effort = works.QUICK if arguments.quick else works.FULL
    if arguments.rounds:
        effort = effort._replace(rounds=arguments.rounds)
    relay_cpu, load_cpu = choose_cpus(arguments)
    os.sched_setaffinity(0, {load_cpu})
    candidates, missing = choose_relays(arguments)

    with tempfile.TemporaryDirectory(prefix="culvert-bench-") as folder:
        load = find_load(arguments, folder)
        with processes.Children() as children:
            bench = Bench(children, folder, load, relay_cpu, load_cpu)
            bench.failures += [f"{name} is not installed" for name in missing]
            bench.observe_idle_machine(0.5 if arguments.quick else 3)
            counters = measure.network_counters()
            results = measure_all(bench, arguments, effort, candidates)
            results.failures = bench.failures
            results.counters = {name: value - counters.get(name, 0)
                                for name, value in measure.network_counters().items()}
    conditions = report.Conditions(
        effort=effort, relay_cpu=relay_cpu, load_cpu=load_cpu, mtu=arguments.mtu or 65536,
        congestion_control=congestion_control, idle_busy_share=bench.idle_busy_share,
        is_quick=arguments.quick)
    page = report.page(results, conditions)
    print(page, end="")
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            file.write(page)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(results.as_plain(), file, indent=1)
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
