# SPDX-License-Identifier: Apache-2.0
"""buffer_memory is a cap, not advice: many stalled readers cannot pass it, sessions whose bytes find
no room wait instead of failing, and every byte arrives when the readers resume."""
import pytest

from harness.culvert import relay_to
from harness.peer import FIN, Listener, Pattern, exchange, pair
from harness.wait import wait_until

CAP = 1 << 20
SESSIONS = 40
SIZE = 1 << 20


def push(sender, source, sent):
    """Sends what is taken at once; how much is sent in all."""
    try:
        while sent < SIZE:
            sent += sender.sock.send(source.take(sent, min(256 * 1024, SIZE - sent)))
    except BlockingIOError:
        pass
    return sent


@pytest.mark.parametrize("workers", [1, 3])
def test_buffer_memory(culvert, workers):
    server = Listener()
    # Small kernel buffers, so that most bytes have nowhere else to be.
    relay = culvert(relay_to(server, limits={"buffer_memory": "1m"}, defaults={
        "splice": "off", "stall_timeout": "10m", "idle_timeout": "10m", "send_buffer": "16k",
        "receive_buffer": "128k"}), workers=workers)
    pairs = [pair(relay, server, rcvbuf=8192) for _ in range(SESSIONS)]
    for client, served in pairs:
        exchange(client, served)
    source = Pattern(1)
    sent = [0] * SESSIONS
    most = 0

    def push_all():
        nonlocal most
        before = list(sent)
        for number, (_, served) in enumerate(pairs):
            sent[number] = push(served, source, sent[number])
        most = max(most, relay.metric("culvert_buffer_bytes"))
        return sent == before

    # A pause in which nothing is taken may also be the relay's own slowness.
    wait_until(lambda: push_all() and relay.metric("culvert_buffer_waits_total") > 0, 10,
               "all to be stalled")
    assert most > CAP // 2, "the test does not fill the buffers"
    assert most <= CAP
    got = [bytearray() for _ in range(SESSIONS)]

    def read_all():
        for number, (client, served) in enumerate(pairs):
            got[number] += client.read_available()
            sent[number] = push(served, source, sent[number])
        assert relay.metric("culvert_buffer_bytes") <= CAP
        return all(len(one) == SIZE for one in got)

    wait_until(read_all, 30, "every byte to arrive")
    for one in got:
        Pattern(1).check(bytes(one))
    for client, served in pairs:
        client.fin()
        served.expect_end(FIN)
        served.fin()
        client.expect_end(FIN)
    wait_until(lambda: relay.metric("culvert_buffer_bytes") == 0, 3, "the buffers to be given back")
