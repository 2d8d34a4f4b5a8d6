# SPDX-License-Identifier: Apache-2.0
"""Short sessions to one server address far beyond the number of local ports: TIME_WAIT is on the
side that ended first, and no session is refused before the kernel's limit (SO6)."""
import pytest

from harness.crowd import CLIENT_RESET, SERVER_FIRST, Crowd, plans
from harness.culvert import relay_to
from harness.netns import in_network_namespace
from harness.peer import Listener


def run(culvert, count):
    server = Listener()
    relay = culvert(relay_to(server))
    Crowd(relay.address(), server, at_once=20, seconds=50,
          source=lambda plan: f"127.{1 + plan.id % 100}.0.1").run(
        plans(count, size=(0, 100), endings=[SERVER_FIRST, CLIENT_RESET])).check()
    relay.wait_idle()
    assert relay.metric("culvert_connects_total", result="ports_exhausted") == 0


@in_network_namespace(net__ipv4__ip_local_port_range="30000 31999")
def test_port_reuse(culvert):
    run(culvert, 4000)


@pytest.mark.soak
@pytest.mark.deadline(600)
@in_network_namespace()
def test_port_reuse_28000(culvert):
    run(culvert, 28_000)
