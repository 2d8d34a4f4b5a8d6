# SPDX-License-Identifier: Apache-2.0
"""Random sizes with the end right behind the last byte, small receive buffers, random reads: the
end never overtakes a byte (1.8)."""
import pytest

from harness.crowd import BOTH, CLIENT_FIRST, SERVER_FIRST, Crowd, plans
from harness.culvert import relay_to
from harness.peer import Listener


def run(culvert, splice_key, count, seed, seconds):
    server = Listener(rcvbuf=8192)
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    crowd = Crowd(relay.address(), server, at_once=40, seed=seed, rcvbuf=8192, seconds=seconds,
                  chunk=(1, 200_000), read_size=(1, 20_000))
    crowd.run(plans(count, seed=seed, size=(0, 150_000),
                    endings=[CLIENT_FIRST, SERVER_FIRST, BOTH])).check()


def test_fin_behind_data_fuzz(culvert, splice_key):
    run(culvert, splice_key, 150, 11, 40)


@pytest.mark.soak
@pytest.mark.deadline(1200)
def test_fin_behind_data_fuzz_10000(culvert, splice_key):
    run(culvert, splice_key, 10_000, 12, 1100)
