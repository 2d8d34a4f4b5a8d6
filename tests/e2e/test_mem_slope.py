# SPDX-License-Identifier: Apache-2.0
"""What an idle session costs in user memory: at most 0.9 KiB, and nothing of it is left behind. As
many sessions as descriptors allow, so that arrays which double weigh what they weigh in the long
run."""
import pytest

from harness.culvert import relay_to
from harness.peer import Listener, connect, exchange

pytestmark = [pytest.mark.plain_build, pytest.mark.deadline(180)]


def test_mem_slope(culvert):
    server = Listener()
    relay = culvert(relay_to(server), log={"access": "off"})

    address = relay.address()  # once: the control thread remembers each descriptor it has seen

    def open_more(count):
        some = []
        for _ in range(count):
            client = connect(address)
            some.append((client, server.accept()))
        for client, served in some:
            exchange(client, served)
        return some

    first = open_more(1000)
    at_1000 = relay.ledger().anonymous_kb
    second = open_more(7500)
    at_8500 = relay.ledger().anonymous_kb
    per_session = (at_8500 - at_1000) / 7500
    assert per_session <= 0.9, f"{per_session:.2f} KiB per idle session"
    for client, served in first + second:
        client.rst()
        served.rst()
    relay.wait_idle()
    again = open_more(1000)
    assert relay.ledger().anonymous_kb <= at_8500 + 256
    del again
