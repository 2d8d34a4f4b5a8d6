# SPDX-License-Identifier: Apache-2.0
"""What an idle session costs in user memory: at most 0.9 KiB, and nothing of it is left behind."""
import pytest

from harness.culvert import relay_to
from harness.peer import Listener, exchange, pair

pytestmark = pytest.mark.plain_build


def test_mem_slope(culvert):
    server = Listener()
    relay = culvert(relay_to(server), log={"access": "off"})

    def open_more(count):
        some = [pair(relay, server) for _ in range(count)]
        for client, served in some:
            exchange(client, served)
        return some

    first = open_more(1000)
    at_1000 = relay.ledger().pss_kb
    second = open_more(3000)
    at_4000 = relay.ledger().pss_kb
    per_session = (at_4000 - at_1000) / 3000
    assert per_session <= 0.9, f"{per_session:.2f} KiB per idle session"
    for client, served in first + second:
        client.rst()
        served.rst()
    relay.wait_idle()
    again = open_more(1000)
    assert relay.ledger().pss_kb <= at_4000 + 256
    del again
