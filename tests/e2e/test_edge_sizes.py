# SPDX-License-Identifier: Apache-2.0
"""One session for each size around every buffer, page and threshold, both ways (BX4)."""
from harness.crowd import BOTH, CLIENT_FIRST, Crowd, Plan
from harness.culvert import relay_to
from harness.peer import Listener

SIZES = [0, 1, 2, 4095, 4096, 4097, 16383, 16384, 16385, 16408, 32768, 65535, 65536, 65537, 131072,
         262143, 262144, 262145, (1 << 20) - 1, 1 << 20, (1 << 20) + 1]


def test_edge_sizes(culvert, splice_key):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    some = [Plan(number + 1, size, size, BOTH) for number, size in enumerate(SIZES)]
    some += [Plan(100 + number, size, 0, CLIENT_FIRST) for number, size in enumerate(SIZES)]
    some += [Plan(200 + number, 0, size, CLIENT_FIRST) for number, size in enumerate(SIZES)]
    Crowd(relay.address(), server, at_once=1, chunk=(1 << 20, 1 << 20),
          read_size=(1 << 20, 1 << 20)).run(some).check()
