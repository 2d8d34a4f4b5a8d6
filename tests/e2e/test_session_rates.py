# SPDX-License-Identifier: Apache-2.0
"""`upload_rate` and `download_rate`: a session moves so many bytes a second, exact to the byte and still
by splice; the other direction and other listeners are as fast as ever, and a session that is held back
is neither idle nor stalled."""
import time

import pytest

from harness.culvert import relay_to
from harness.peer import FIN, Background, Listener, connect, pattern
from harness.wait import limit, wait_until

MIB = 1 << 20


def transfer(sender, receiver, size):
    """Moves `size` bytes and an end; the seconds it took."""
    data = pattern(size, 7)
    began = time.monotonic()
    sending = Background(lambda: (sender.send(data, seconds=30), sender.fin()))
    got = receiver.read(size, seconds=30)
    took = time.monotonic() - began
    sending.result()
    assert got == data
    receiver.expect_end(FIN)
    return took


@pytest.mark.parametrize("splice", ["auto", "off"])
@pytest.mark.parametrize("direction", ["upload", "download"])
def test_rate(culvert, direction, splice):
    server = Listener()
    listen = {f"{direction}_rate": "1m/s", "splice": splice, "idle_timeout": "1500ms",
              "stall_timeout": "1500ms"}
    relay = culvert(relay_to(server, listen=listen))
    client = connect(relay.address())
    served = server.accept()
    ends = (client, served) if direction == "upload" else (served, client)
    took = transfer(*ends, 2 * MIB)
    assert took > 1.8, "faster than the rate allows"
    record_end = ends[1]
    record_end.fin()
    record = relay.record_of(client)
    assert record["reason"] == "done"
    assert record[f"{direction}_bytes"] == 2 * MIB
    spliced = relay.metric("culvert_relayed_bytes_total", path="splice")
    assert spliced > MIB if splice == "auto" else spliced == 0


def test_the_other_direction_is_free(culvert):
    server = Listener()
    relay = culvert(relay_to(server, listen={"upload_rate": "16k/s"}))
    client = connect(relay.address())
    served = server.accept()
    assert transfer(served, client, 8 * MIB) < limit(20)
    client.fin()
    served.expect_end(FIN)
    assert relay.record_of(client)["download_bytes"] == 8 * MIB


def test_a_tiny_rate(culvert):
    """A few bytes a second: nothing spins, nothing is lost."""
    server = Listener()
    relay = culvert(relay_to(server, listen={"upload_rate": "20/s"}))
    client = connect(relay.address())
    served = server.accept()
    before = relay.cpu_s()
    began = time.monotonic()
    client.send(b"x" * 30)
    client.fin()
    served.expect(b"x" * 30, 5)
    took = time.monotonic() - began
    assert took > 1.0
    assert relay.cpu_s() - before < 0.1 + took / 10
    served.expect_end(FIN)
    served.fin()
    client.expect_end(FIN)
    wait_until(lambda: relay.sessions_total() == 0, 5, "the session to end")


def test_a_reset_is_told_although_bytes_wait(culvert):
    server = Listener()
    relay = culvert(relay_to(server, listen={"upload_rate": "64k/s"}))
    client = connect(relay.address())
    served = server.accept()
    client.send(b"x" * 200000)
    served.read(1000)
    client.rst()
    served.wait_reset()
    assert relay.record_of(client)["reason"] == "client_reset"
