# SPDX-License-Identifier: Apache-2.0
"""QUIT, or a second TERM or INT: all sessions are reset and the process is gone within a second,
with exit code 0 (OP10)."""
import os
import signal
import subprocess

import pytest

from harness.culvert import relay_to
from harness.peer import RST, Listener, exchange, pair
from harness.strace import needs_strace
from harness.wait import Stopwatch, limit, wait_until


@pytest.mark.parametrize("numbers", [
    (signal.SIGQUIT,), (signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT),
    (signal.SIGTERM, signal.SIGQUIT)], ids=lambda numbers: "+".join(one.name for one in numbers))
def test_stop_now(culvert, numbers):
    server = Listener()
    relay = culvert(relay_to(server, culvert={"drain_timeout": "1m"}), workers=2)
    live = [pair(relay, server) for _ in range(20)]
    for client, served in live:
        exchange(client, served)
    if len(numbers) == 2:
        relay.send_signal(numbers[0])
        wait_until(lambda: relay.get("/readyz")[0] == 503, 3, "/readyz to say no")
        exchange(*live[0])
    watch = Stopwatch()
    relay.send_signal(numbers[-1])
    assert relay.wait_exit() == 0
    assert watch.seconds() < limit(3)
    for client, served in live:
        client.expect_end(RST)
        served.expect_end(RST)
    assert [one["reason"] for one in relay.session_records()] == ["drained"] * 20


class StuckWorker:
    """The first worker's thread stands still in the kernel from its next call on: the wait for
    events, or, when that had begun before, the read of what woke it."""

    def __init__(self, relay):
        tasks = f"/proc/{relay.pid}/task"
        self.thread = next(one for one in os.listdir(tasks)
                           if read_text(f"{tasks}/{one}/comm").strip() == "culvert-0")
        self.process = subprocess.Popen(
            ["strace", "-o", "/dev/null", "-e", "trace=epoll_wait,read",
             "-e", "inject=epoll_wait,read:delay_enter=60000000", "-p", self.thread],
            stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        assert "attached" in line, line

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


@needs_strace
def test_a_worker_that_hangs(culvert):
    """It does not hold the process up: culvert says which one, and is gone within the second."""
    server = Listener()
    # To end without the thread is what is wanted here.
    relay = culvert(relay_to(server), workers=2,
                    env={"TSAN_OPTIONS": "halt_on_error=0:report_thread_leaks=0"})
    live = [pair(relay, server) for _ in range(4)]
    stuck = StuckWorker(relay)
    try:
        watch = Stopwatch()
        relay.send_signal(signal.SIGQUIT)
        last = relay.wait_record(lambda one: one.get("event") == "failed", 5, "the word of the end")
        assert watch.seconds() < limit(5)  # 0.6 s of naps, which a loaded machine stretches
    finally:
        stuck.close()  # who traces a thread holds up the end of its process, too
    assert "worker 0 does not end" in last["message"]
    assert relay.wait_exit() == 70
    assert relay.records()[-1] == last
    for client, _ in live:
        client.discard()


def test_hup_and_usr1_do_not_kill(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    exchange(client, served)
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        relay.send_signal(number)
        exchange(client, served)
        assert relay.get("/healthz")[0] == 200
