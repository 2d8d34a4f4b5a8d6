# SPDX-License-Identifier: Apache-2.0
"""Buffers of 8 kB at all four ends, 256 kB both ways at once: equal, without a stall (BX3)."""
from harness.crowd import BOTH, Crowd, plans
from harness.culvert import relay_to
from harness.peer import Listener


def test_small_buffers(culvert, splice_key):
    server = Listener(rcvbuf=8192, sndbuf=8192)
    relay = culvert(relay_to(server, defaults={
        "splice": splice_key, "send_buffer": "8k", "receive_buffer": "8k"}))
    ledger = Crowd(relay.address(), server, rcvbuf=8192, sndbuf=8192, at_once=4,
                   chunk=(1, 40_000), read_size=(1, 50_000), seconds=50).run(
        plans(4, size=(256 * 1024, 256 * 1024), endings=[BOTH]))
    ledger.check()
