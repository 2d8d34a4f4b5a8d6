# SPDX-License-Identifier: Apache-2.0
"""A reader that takes a little now and then is never cut, although it takes much longer than
stall_timeout to get through: only zero progress counts (SR3).

Such a small window closes again and again, and the kernel asks for it after 200, 400, 800 ms: a
stall_timeout below that would find no progress where there can be none."""
import pytest

from harness.culvert import relay_to
from harness.peer import Listener, Pattern, exchange, pair, reading
from harness.wait import Stopwatch, slowness


@pytest.mark.parametrize("seconds", [7, pytest.param(300, marks=[
    pytest.mark.soak, pytest.mark.deadline(400)])])
def test_slow_progress(culvert, splice_key, seconds):
    server = Listener(sndbuf=16384)
    relay = culvert(relay_to(server, defaults={
        "splice": splice_key, "stall_timeout": f"{3 * min(slowness(), 2):.1f}s",
        "send_buffer": "16k"}))
    client, served = pair(relay, server, rcvbuf=4096)
    exchange(client, served)
    sent = served.fill(quiet=0.1)
    got = bytearray()
    watch = Stopwatch()
    while watch.seconds() < seconds and len(got) < sent:
        got += client.read_some(1024)
        served.is_silent(0.1)
    assert watch.seconds() >= seconds or len(got) == sent
    rest = reading(client)
    served.fin()
    data, end = rest.result()
    got += data
    assert end == "FIN"
    assert len(got) == sent
    Pattern(1).check(bytes(got))
