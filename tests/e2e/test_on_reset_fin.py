# SPDX-License-Identifier: Apache-2.0
"""`on_reset = fin`: a reset on one side becomes an orderly end on the other, after its bytes."""
import pytest

from harness.culvert import relay_to
from harness.peer import FIN, Listener, exchange, pair, wait_acknowledged


@pytest.mark.parametrize("who", ["client", "server"])
def test_on_reset_fin(culvert, who):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"on_reset": "fin"}))
    client, served = pair(relay, server)
    exchange(client, served)
    breaker, other = (client, served) if who == "client" else (served, client)
    breaker.send(b"last words")
    wait_acknowledged(breaker)
    breaker.rst()
    other.expect_end(FIN, b"last words")
    assert relay.record_of(client)["reason"] == f"{who}_reset"
