# SPDX-License-Identifier: Apache-2.0
"""Two servers that come and go, one of them always there: every session reaches one, none reaches
two, no byte is lost (BK3)."""
import os

import pytest

from harness.crowd import BOTH, CLIENT_FIRST, Crowd, plans
from harness.culvert import relay_to
from harness.peer import Listener, unix_path
from harness.wait import Stopwatch


class Flapper:
    """Two unix names of one listening socket; at any time at least one of them exists."""

    def __init__(self):
        self.listener = Listener("unix")
        self.target = self.listener.address[5:]
        self.names = [unix_path(), unix_path()]
        os.link(self.target, self.names[0])
        self.flips = 0

    def flip(self):
        """A, both, B, both, A ...: a session that met a gone name finds the other one."""
        here, there = self.names if self.flips // 2 % 2 == 0 else reversed(self.names)
        if self.flips % 2 == 0:
            os.link(self.target, there)
        else:
            os.unlink(here)
        self.flips += 1


def run(culvert, flips, **pool):
    flapper = Flapper()
    relay = culvert(relay_to([f"unix:{name}" for name in flapper.names], pool={
        "balance": "roundrobin", **pool}), workers=2)
    watch = Stopwatch()
    last = [0.0]

    def tick():
        # A session that met a gone name is not to find the other one gone as well, however slow it is.
        if watch.seconds() - last[0] > 0.06 and not relay.sessions("?phase=connect"):
            flapper.flip()
            last[0] = watch.seconds()

    count = 0
    while flapper.flips < flips:
        Crowd(relay.address(), flapper.listener, at_once=20, on_tick=tick, seconds=50).run(
            plans(100, seed=count, size=(1000, 30_000), endings=[BOTH, CLIENT_FIRST],
                  first_id=count + 1)).check()
        count += 100
    relay.wait_metric_from("culvert_connect_retries_total", 1)


def test_flapping_servers(culvert):
    run(culvert, 12, max_fails=0)


def test_flapping_servers_with_ejection(culvert):
    """An ejected server that is back is better than one that refuses."""
    run(culvert, 12, max_fails=2, fail_timeout="300ms")


@pytest.mark.soak
@pytest.mark.deadline(600)
def test_flapping_servers_2_minutes(culvert):
    run(culvert, 1200)
