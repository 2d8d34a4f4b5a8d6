# SPDX-License-Identifier: Apache-2.0
"""An urgent byte at a random place of a stream, the end behind it, two hundred times: no byte
lost, and the end comes (BX8)."""
import random

import pytest

from harness.culvert import relay_to
from harness.peer import FIN, Listener, pair, pattern, reading


def test_urg_then_fin_200_times(culvert, splice_key):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    for _ in range(200):
        client, served = pair(relay, server)
        client.send(b"abc")
        client.oob(b"!")
        client.send(b"def")
        client.fin()
        served.expect_end(FIN, b"abc!def")
        served.close()
        client.expect_end(FIN)
        client.close()


@pytest.mark.parametrize("direction", ["up", "down"])
def test_urg_inside_a_bulk_stream(culvert, splice_key, direction):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    rng = random.Random(5)
    data = pattern(1 << 20)
    for _ in range(8):
        client, served = pair(relay, server)
        sender, receiver = (client, served) if direction == "up" else (served, client)
        at = rng.randrange(len(data))
        seen = reading(receiver, 10)
        sender.send(data[:at])
        sender.oob(b"!")
        sender.send(data[at:])
        sender.fin()
        got, end = seen.result()
        assert end == FIN
        assert len(got) == len(data) + 1
        assert got == data[:at] + b"!" + data[at:]
        receiver.fin()
        sender.expect_end(FIN)
