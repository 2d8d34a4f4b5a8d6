# SPDX-License-Identifier: Apache-2.0
"""More connects at once than the listener's backlog holds: some wait in the kernel, the relay has no
error, and every one that was accepted is served (RX10)."""
from harness.crowd import CLIENT_FIRST, Crowd, plans
from harness.culvert import relay_to
from harness.peer import Listener


def test_backlog_overflow(culvert):
    server = Listener()
    relay = culvert(relay_to(server, listen={"backlog": 16}))
    ledger = Crowd(relay.address(), server, at_once=300, seconds=50).run(
        plans(1500, size=(0, 500), endings=[CLIENT_FIRST]))
    # Some never get through the kernel's queue (L1), and the kernel refuses them; nobody else.
    assert ledger.losses() == ledger.L1 < 1000, ledger
    assert relay.accepted_total() == 1500 - ledger.L1
    assert not [one for one in relay.records() if one.get("level") in ("error", "warning", "warn")]
