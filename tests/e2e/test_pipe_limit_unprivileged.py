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


def hold_pipes(user):
    holder = subprocess.Popen(
        ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", sys.executable, "-c",
         HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "holding\n"
    return holder


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_pipe_limit_unprivileged(culvert):
    user = 61000 + os.getpid() % 4000  # nobody else's, so tests beside this one keep their pipes
    server = Listener()
    relay = culvert(relay_to(server), user=user)
    holder = hold_pipes(user)
    try:
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
    user = 65000 + os.getpid() % 400
    holder = hold_pipes(user)
    try:
        ways = {}
        for name, splice, who in (("copy", "off", None), ("denied", "auto", user)):
            server = Listener()
            relay = culvert(relay_to(server, defaults={"splice": splice}), user=who)
            ways[name] = (relay, *pair(relay, server))
            exchange(*ways[name][1:])
        # The least of some turns, in turn: what else the machine does is in none of both for long.
        least = dict.fromkeys(ways, float("inf"))
        for _ in range(12):
            for name, (relay, client, served) in ways.items():
                before = relay.cpu_s()
                stream(client, served, 64 << 20)
                least[name] = min(least[name], relay.cpu_s() - before)
            if least["denied"] < 1.3 * least["copy"] + 0.01:
                break
        else:
            raise AssertionError(f"seconds of processor time: {least}")
    finally:
        holder.kill()
        holder.wait()
