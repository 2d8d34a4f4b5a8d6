# SPDX-License-Identifier: Apache-2.0
"""Both sides end at the same time with data in flight, two hundred times: all exact (HC3)."""
from harness.crowd import BOTH, Crowd, plans
from harness.culvert import relay_to
from harness.peer import Listener


def test_half_close_both(culvert, splice_key):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    Crowd(relay.address(), server, at_once=20, longest=5, chunk=(12000, 12000)).run(
        plans(200, size=(1, 12000), endings=[BOTH])).check()
    assert {one["reason"] for one in relay.session_records()} <= {"done"}
