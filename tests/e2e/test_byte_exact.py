# SPDX-License-Identifier: Apache-2.0
"""Full duplex, 16 MiB and an odd tail, random chunk sizes on all four sides: equal bytes and both
ends; also while the binary changes its method of moving bytes at random points (BX1, BX10)."""
import pytest

from harness.crowd import BOTH, HEADER, Crowd, Plan
from harness.culvert import relay_to
from harness.peer import Listener

SIZE = 16 * 1024 * 1024 + 7777


def run(culvert, splice, flip=None, size=SIZE, rounds=1):
    server = Listener()
    env = {"CULVERT_TEST_FLIP": str(flip)} if flip is not None else None
    relay = culvert(relay_to(server, defaults={"splice": splice}), env=env)
    for number in range(rounds):
        Crowd(relay.address(), server, seed=number, chunk=(1, 40_000), read_size=(1, 50_000)).run(
            [Plan(number + 1, size, size - 1, BOTH)]).check()
    return relay


def test_byte_exact(culvert, method, splice_key):
    relay = run(culvert, splice_key)
    relay.wait_metric("culvert_relayed_bytes_total", 2 * SIZE - 1 + HEADER.size)
    if method == "copy":
        assert relay.metric("culvert_relayed_bytes_total", path="splice") == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_byte_exact_with_flips(culvert, seed):
    relay = run(culvert, "auto", flip=seed, size=2_000_003, rounds=4)
    relay.wait_metric_from("culvert_relayed_bytes_total", 1, path="splice")
    relay.wait_metric_from("culvert_relayed_bytes_total", 1, path="copy")


@pytest.mark.soak
@pytest.mark.deadline(1200)
def test_byte_exact_with_500_flips(culvert):
    run(culvert, "auto", flip=99, size=300_001, rounds=500)
