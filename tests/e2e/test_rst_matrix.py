# SPDX-License-Identifier: Apache-2.0
"""Eight endings, each moved by copy and by splice, idle, behind 1 KB and behind 1 MB: a reset
stays a reset, an end of stream an end of stream, and the bytes before it all arrive."""
import pytest

from harness.culvert import relay_to
from harness.peer import (FIN, RST, Background, Listener, Pattern, exchange, pair, reading,
                          start_splicing, stream, wait_acknowledged)
from harness.wait import wait_until


def client_resets(client, served, size):
    if size:
        stream(client, served, size)
    wait_acknowledged(client)
    client.rst()
    served.expect_end(RST)
    return "client_reset"


def server_resets(client, served, size):
    if size:
        stream(served, client, size)
    wait_acknowledged(served)
    served.rst()
    client.expect_end(RST)
    return "server_reset"


def client_resets_behind_data(client, served, size):
    data = Pattern(7).take(0, size)
    seen = reading(served)
    client.send(data)
    wait_acknowledged(client)
    client.rst()
    assert seen.result() == (data, RST)
    return "client_reset"


def server_resets_behind_data(client, served, size):
    data = Pattern(7).take(0, size)
    seen = reading(client)
    served.send(data)
    wait_acknowledged(served)
    served.rst()
    assert seen.result() == (data, RST)
    return "server_reset"


def server_sends_after_client_end(client, served, size):
    client.fin()
    served.expect_end(FIN)
    if size:
        stream(served, client, size)
    served.fin()
    client.expect_end(FIN)
    return "done"


def client_sends_after_server_end(client, served, size):
    served.fin()
    client.expect_end(FIN)
    if size:
        stream(client, served, size)
    client.fin()
    served.expect_end(FIN)
    return "done"


def urgent_byte(client, served, size):
    if size:
        stream(client, served, size)
    client.send(b"abc")
    client.oob(b"U")
    client.send(b"def")
    served.expect(b"abcUdef", 2)
    client.fin()
    served.expect_end(FIN)
    served.fin()
    client.expect_end(FIN)
    return "done"


def end_behind_data_and_slow_client(client, served, size):
    data = Pattern(9).take(0, 3 * size)

    def send():
        served.send(data, 30)
        served.fin()

    sending = Background(send)
    received = 0
    while received < len(data):
        piece = client.read_some(min(16384, len(data) - received), 20)
        assert piece, f"ended after {received}"
        assert piece == data[received:received + len(piece)]
        received += len(piece)
    sending.result()
    client.expect_end(FIN)
    client.fin()
    served.expect_end(FIN)
    return "done"


ROWS = [client_resets, server_resets, client_resets_behind_data, server_resets_behind_data,
        server_sends_after_client_end, client_sends_after_server_end, urgent_byte,
        end_behind_data_and_slow_client]


@pytest.mark.parametrize("size", [0, 1000, 1 << 20], ids=["idle", "1KB", "1MB"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_rst_matrix(culvert, row, size, method, splice_key):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    client, served = pair(relay, server)
    exchange(client, served)
    if method == "splice":
        start_splicing(relay, client, served)
        start_splicing(relay, served, client)
    reason = row(client, served, size)
    record = relay.record_of(client)
    assert record["reason"] == reason
    wait_until(lambda: relay.sessions_total() == 0, 2, "the session to be over")
