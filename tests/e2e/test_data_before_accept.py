# SPDX-License-Identifier: Apache-2.0
"""Data and an end, or data and a reset, are already queued when the relay accepts: the server gets
the data, the end stays an end and the reset a reset (HC5)."""
import pytest

from harness.culvert import relay_to
from harness.peer import FIN, RST, Listener, connect, wait_acknowledged
from harness.wait import Stopwatch, limit


@pytest.mark.parametrize("size", [1, 5000])
def test_data_and_fin_before_accept(culvert, splice_key, size):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    address = relay.address()
    for _ in range(20):
        with relay.frozen():
            client = connect(address)
            client.send(b"x" * size)
            client.fin()
        served = server.accept()
        served.expect_end(FIN, b"x" * size)
        served.send(b"answer")
        served.close()
        client.expect_end(FIN, b"answer")
        assert relay.record_of(client)["reason"] == "done"


def test_data_and_rst_before_accept(culvert):
    """The client is gone before the relay accepts; if the server was dialled it sees a reset."""
    server = Listener()
    relay = culvert(relay_to(server))
    address = relay.address()
    for _ in range(20):
        with relay.frozen():
            client = connect(address)
            client.send(b"payload")
            wait_acknowledged(client)
            client.rst()
        watch = Stopwatch()
        record = relay.record_of(client)
        assert record["reason"] in ("client_left", "client_reset")
        if record["reason"] == "client_reset":
            served = server.accept()
            served.expect_end(RST, b"payload")
            assert watch.seconds() < limit(3)
        elif not server.nobody_came(0):
            served = server.accept()
            got, end = served.read_end()
            assert end == RST
