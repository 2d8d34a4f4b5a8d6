# SPDX-License-Identifier: Apache-2.0
"""Thousands of clients send a byte of a PROXY header a second and never finish: each has
preread_timeout from its accept and no more, and the others do not feel them (SL1)."""
import time

import pytest

from harness.elsewhere import Repeated
from harness.peer import FIN, EchoServer, connect
from harness.proxy_header import RIGHT, v1
from harness.wait import limit, slowness, wait_until
from test_proxy_header import offer, taking_headers

TIMEOUT = 10


def p99(looks, begin, end):
    times = sorted(answer for when, answer in looks if begin <= when < end)
    assert len(times) >= 50, "too few sessions to judge by"
    return times[len(times) * 99 // 100]


@pytest.mark.soak
@pytest.mark.deadline(180)
def test_five_thousand_dribblers(culvert):
    server = EchoServer()
    relay = culvert(taking_headers(server, preread_timeout=f"{TIMEOUT}s"), workers=2)
    address = relay.address()

    def other():
        began = time.monotonic()
        client = connect(address, seconds=30)
        client.send(v1() + b"hello")
        client.expect(b"hello", 30)
        client.fin()
        client.expect_end(FIN, seconds=30)
        took = time.monotonic() - began
        client.close()
        return took

    others = Repeated(other, 0.005)
    alone = time.monotonic()
    wait_until(lambda: time.monotonic() > alone + 3, 10, "the others alone")
    begun = time.monotonic()
    dribblers = [connect(address) for _ in range(5000)]
    there = time.monotonic()
    header = RIGHT["v2 of 4096 bytes"][0]
    for second in range(TIMEOUT + 1):
        for number, client in enumerate(dribblers):
            wait_until(lambda: time.monotonic() >= there + second + number / 5000, 5, "its turn")
            offer(client, header[second:second + 1])
    over = time.monotonic()
    for client in dribblers:
        client.wait_reset(TIMEOUT + 5)
    looks = others.stop(60)
    own = {client.name for client in dribblers}

    def records():
        return [one for one in relay.session_records() if one["client"] in own]

    wait_until(lambda: len(records()) == 5000, 20, "the record of each")
    assert {one["reason"] for one in records()} == {"client_timeout"}
    times = [one["duration_s"] for one in records()]
    assert TIMEOUT - 0.01 <= min(times) and max(times) <= TIMEOUT + 0.5 * slowness(), (min(times), max(times))
    before, during = p99(looks, alone, begun), p99(looks, there, over)
    print(f"closed after {min(times):.3f}-{max(times):.3f} s; p99 of the others {before * 1e3:.1f} ms "
          f"before, {during * 1e3:.1f} ms during; {len(looks)} sessions")
    assert during < max(2 * before, limit(0.02)), (before, during)
