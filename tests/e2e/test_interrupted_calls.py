# SPDX-License-Identifier: Apache-2.0
"""System calls of the relay are interrupted again and again: every byte once and in order
(BX11). Short writes come from the kernel itself in test_small_buffers.py."""
import pytest

from harness.crowd import BOTH, Crowd, plans
from harness.culvert import relay_to
from harness.peer import Listener
from harness.strace import inject, needs_strace

pytestmark = needs_strace


@pytest.mark.parametrize("rule", [
    "recvfrom:error=EINTR:when=7+5", "sendto:error=EINTR:when=9+5",
    "splice:error=EINTR:when=3+3", "accept4:error=EINTR:when=1+2", "epoll_wait:error=EINTR:when=9+7"])
def test_interrupted_calls(culvert, rule, splice_key):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}), wrapper=inject(rule))
    Crowd(relay.address(), server, at_once=4, chunk=(1, 200_000), read_size=(1, 200_000)).run(
        plans(8, size=(0, 400_000), endings=[BOTH])).check()
