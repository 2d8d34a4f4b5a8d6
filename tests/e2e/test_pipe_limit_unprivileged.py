# SPDX-License-Identifier: Apache-2.0
"""Somebody with our user id holds all the pipe memory the kernel grants: new pipes would be tiny.
The relay copies instead, exactly and at full speed, and counts the denied pipes (1.2, RX5)."""
import os
import subprocess
import sys

import pytest

from harness.culvert import relay_to
from harness.peer import FIN, Listener, exchange, pair, stream

HOLDER = """
import os, sys
pipes = []
for _ in range(1200):
    reading, writing = os.pipe()
    pipes.append((reading, writing))
print("holding", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_pipe_limit_unprivileged(culvert):
    user = 61000 + os.getpid() % 4000  # nobody else's, so tests beside this one keep their pipes
    server = Listener()
    relay = culvert(relay_to(server), user=user)
    holder = subprocess.Popen(
        ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", sys.executable, "-c",
         HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "holding\n"
        client, served = pair(relay, server)
        exchange(client, served)
        stream(client, served, 64 << 20)
        stream(served, client, 8 << 20)
        client.fin()
        served.expect_end(FIN)
        served.close()
        client.expect_end(FIN)
        assert relay.record_of(client)["path"] == "copy"
        relay.wait_metric_from("culvert_pipes_denied_total", 1)
        relay.wait_metric_from("culvert_relayed_bytes_total", 70 << 20, path="copy")
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.plain_build
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_throughput_without_pipes(culvert):
    """What is left without pipes is what `splice = off` gives."""
    times = {}
    for name, splice, user in (("copy", "off", None), ("denied", "auto", 65000 + os.getpid() % 400)):
        server = Listener()
        relay = culvert(relay_to(server, defaults={"splice": splice}), user=user)
        holder = None
        if user:
            holder = subprocess.Popen(
                ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", sys.executable,
                 "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert holder.stdout.readline() == "holding\n"
        client, served = pair(relay, server)
        exchange(client, served)
        best = None
        for _ in range(4):
            before = relay.cpu_s()
            stream(client, served, 64 << 20)
            used = relay.cpu_s() - before
            best = used if best is None else min(best, used)
        times[name] = best
        if holder:
            holder.kill()
            holder.wait()
    assert times["denied"] < 1.3 * times["copy"] + 0.01, times
