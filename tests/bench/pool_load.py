#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A pool under load while its servers fail: 2,000 sessions a second through three servers, of which
one stays, one is killed and restarted, and one comes and goes all the time.

    python3 tests/bench/pool_load.py --culvert build/gcc/src/culvert --load build/gcc/tests/bench/load

Prints one JSON object, and ends with 1 when a session failed that could have been served: one that
culvert had not yet joined to a server, or that the server which stays has lost. A session that is
already joined to a server cannot survive its death: the client has sent its bytes.
"""

import argparse
import collections
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import measure
import processes

SERVERS = {"stays": "127.0.0.11", "killed": "127.0.0.12", "flaps": "127.0.0.13"}
ECHO_PORT, SOURCE_PORT, LISTEN_PORT, ADMIN_PORT = 7001, 7002, 8001, 8002

CONFIGURATION = """
[culvert]
workers = 2
[log]
access = all
access_output = {folder}/access
access_format = json
[admin]
socket = off
bind = 127.0.0.1:{admin}
[listen main]
bind = 127.0.0.1:{listen}
pool = app
[pool app]
{servers}
balance = {balance}
health = {health}
max_fails = 3
fail_timeout = 2s
{extra}
"""

CHECKS = """
[health quick]
type = tcp
interval = 250ms
timeout = 200ms
rise = 2
fall = 2
"""


class Server:
    """A process of `load server` that can be killed and started again."""

    def __init__(self, children, load, address):
        self.children, self.address = children, address
        self.command = [load, "server", "--address", address, "--port", str(ECHO_PORT),
                        "--source-port", str(SOURCE_PORT)]
        self.process = None

    def start(self):
        self.process = self.children.spawn(self.command, stdin=subprocess.PIPE)

    def kill(self):
        self.children.end(self.process, signal.SIGKILL)


class Failures(threading.Thread):
    """Kills and restarts on a timetable of seconds until it is told to stop."""

    def __init__(self, servers, seconds):
        super().__init__()
        self.servers, self.seconds = servers, seconds
        self.stopped = threading.Event()
        self.deaths = collections.Counter()

    def _kill(self, name):
        self.servers[name].kill()
        self.deaths[name] += 1

    def timetable(self):
        events = [(self.seconds / 4, self._kill, "killed"),
                  (self.seconds / 2, lambda name: self.servers[name].start(), "killed")]
        moment = 1.0
        while moment + 1 < self.seconds:
            events.append((moment, self._kill, "flaps"))
            events.append((moment + 1, lambda name: self.servers[name].start(), "flaps"))
            moment += 2.5
        return sorted(events, key=lambda event: event[0])

    def run(self):
        started = time.monotonic()
        for moment, action, name in self.timetable():
            if self.stopped.wait(max(0.0, started + moment - time.monotonic())):
                return
            action(name)


def wait_until_ready(deadline_seconds=10):
    deadline = time.monotonic() + deadline_seconds
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ADMIN_PORT}/readyz", timeout=1):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def scrape():
    with urllib.request.urlopen(f"http://127.0.0.1:{ADMIN_PORT}/metrics", timeout=5) as answer:
        return answer.read().decode()


def series(text, prefix):
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in text.splitlines() if line.startswith(prefix)}


def judge(folder):
    """How the sessions that failed did so: (lost with their server, could have been served)."""
    lost, unserved = collections.Counter(), collections.Counter()
    with open(os.path.join(folder, "access"), encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            # A server that is killed with nothing unread ends its sessions cleanly, unanswered.
            if record.get("event") != "session_end" or (
                    record["reason"] == "done" and record["download_bytes"] > 0):
                continue
            key = f"{record['reason']} {record['phase']} {record['server']}"
            is_lost = record["server"] != "stays" and record["phase"] in ("relay", "aborting")
            (lost if is_lost else unserved)[key] += 1
    return lost, unserved


def run(options, folder, children):
    servers = {name: Server(children, options.load, address)
               for name, address in SERVERS.items()}
    for server in servers.values():
        server.start()
    path = os.path.join(folder, "culvert.ini")
    with open(path, "w", encoding="utf-8") as file:
        file.write(CONFIGURATION.format(
            folder=folder, admin=ADMIN_PORT, listen=LISTEN_PORT, balance=options.balance,
            health=options.health, extra="\n".join(options.pool),
            servers="\n".join(f"server = {name} {address}:{ECHO_PORT}"
                              for name, address in SERVERS.items())))
        file.write(CHECKS if options.health == "quick" else "")
    with open(os.path.join(folder, "log"), "wb") as log:
        relay = children.spawn([*shlex.split(options.culvert), "-c", path], stdout=log, stderr=log)
    wait_until_ready()
    load = children.spawn(
        [options.load, "connect", "--port", str(LISTEN_PORT), "--rate", str(options.rate),
         "--sessions", "512", "--seconds", str(options.seconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert load.stdout.readline() == b"ready\n"
    failures = Failures(servers, options.seconds)
    before = measure.cpu_seconds([relay.pid])
    load.stdin.write(b"go\n")
    load.stdin.flush()
    failures.start()
    result = json.loads(load.stdout.readline())
    failures.stopped.set()
    failures.join()
    cpu = measure.cpu_seconds([relay.pid]) - before
    text = scrape()
    children.end(relay)
    lost, unserved = judge(folder)
    return {
        "rate": options.rate, "seconds": options.seconds, "balance": options.balance,
        "health": options.health, "client": result, "deaths": dict(failures.deaths),
        "cpu_seconds": round(cpu, 2),
        "lost_with_their_server": dict(lost), "could_have_been_served": dict(unserved),
        "retries": sum(series(text, "culvert_connect_retries_total").values()),
        "connects": series(text, "culvert_connects_total"),
        "transitions": series(text, "culvert_server_transitions_total"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--culvert", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--balance", default="leastconn")
    parser.add_argument("--health", default="quick")
    parser.add_argument("--pool", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    processes.enter_private_network()
    processes.set_up_loopback(None)
    with tempfile.TemporaryDirectory(prefix="culvert-bench-") as folder, \
            processes.Children() as children:
        result = run(options, folder, children)
    print(json.dumps(result, indent=1))
    failed = sum(result["could_have_been_served"].values())
    known = failed + sum(result["lost_with_their_server"].values())
    return 1 if failed or result["client"]["errors"] > known else 0


if __name__ == "__main__":
    sys.exit(main())
