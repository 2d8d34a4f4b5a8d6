# SPDX-License-Identifier: Apache-2.0
"""A hundred clients that stay open behind an urgent mark cost nothing, and ten thousand urgent
bytes in a row all arrive (BX12)."""
from harness.culvert import SANITIZER, relay_to
from harness.peer import FIN, Listener, exchange, pair, start_splicing


def test_hundred_clients_behind_a_mark(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    pairs = [pair(relay, server) for _ in range(100)]
    for number, (client, served) in enumerate(pairs):
        exchange(client, served)
        if number < 10:
            start_splicing(relay, client, served)
        client.send(b"abc")
        client.oob(b"U")
        client.send(b"def")
    for _, served in pairs:
        served.expect(b"abcUdef", 2)
    before = relay.cpu_s()
    assert pairs[0][1].is_silent(1.0)
    used = relay.cpu_s() - before
    if not SANITIZER:
        assert used < 0.02, f"{used * 1000:.1f} ms of processor time in one second of silence"


def test_ten_thousand_urgent_bytes(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    start_splicing(relay, client, served)
    for start in range(0, 10_000, 100):
        for number in range(100):
            client.oob(bytes([(start + number) % 251]))
        served.expect(bytes((start + number) % 251 for number in range(100)), 5)
    client.fin()
    served.expect_end(FIN)
