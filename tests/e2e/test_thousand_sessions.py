# SPDX-License-Identifier: Apache-2.0
"""A thousand sessions of random sizes, fifty at a time, ended in every orderly way: none is lost,
none gets a byte of another (BX6)."""
from harness.crowd import Crowd, plans
from harness.culvert import relay_to
from harness.peer import Listener


def test_thousand_sessions(culvert):
    server = Listener()
    relay = culvert(relay_to(server), workers=2)
    Crowd(relay.address(), server, at_once=50, longest=5).run(plans(1000)).check()
    assert relay.accepted_total() == 1000
