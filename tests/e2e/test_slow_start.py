# SPDX-License-Identifier: Apache-2.0
"""slow_start: a server that comes back is not run over; it gets a tenth of its share first and all of
it when the time is over. The other servers take the rest."""
import collections

import pytest

from harness.culvert import relay_to
from harness.peer import Listener, NamedServer, connect, read_line
from harness.wait import wait_until


def call(relay):
    with connect(relay.address()) as client:
        return read_line(client)


def returned(culvert, balance, slow_start):
    """A relay whose server `late` was ejected and has come back a moment ago."""
    good, late = NamedServer("good"), Listener(listening=False)
    relay = culvert(relay_to([f"good {good.address}", f"late {late.address}"], pool={
        "balance": balance, "max_fails": 1, "fail_timeout": "200ms", "slow_start": slow_start}))

    def state():
        return relay.metric("culvert_server_up", server="late")

    wait_until(lambda: call(relay) == "good" and state() == 0, 10, "the server to be ejected")
    NamedServer("late", port=late.port)
    wait_until(lambda: call(relay) and state() == 1, 20, "the server to be back")
    return relay


@pytest.mark.parametrize("balance", ["roundrobin", "random", "leastconn"])
def test_a_returning_server_gets_little_at_first(culvert, balance):
    relay = returned(culvert, balance, "1h")
    held = [connect(relay.address()) for _ in range(110)]
    names = collections.Counter(read_line(client) for client in held)
    assert 1 <= names["late"] <= 30, names


def test_it_has_its_share_when_the_time_is_over(culvert):
    relay = returned(culvert, "leastconn", "300ms")

    def is_even():
        held = [connect(relay.address()) for _ in range(20)]
        names = collections.Counter(read_line(client) for client in held)
        for client in held:
            client.rst()
        wait_until(lambda: relay.sessions_total() == 0, 5, "the sessions to end")
        return names == {"good": 10, "late": 10}

    wait_until(is_even, 10, "the server to have its whole share")


def test_without_slow_start_it_has_its_share_at_once(culvert):
    relay = returned(culvert, "roundrobin", "off")
    names = collections.Counter(call(relay) for _ in range(40))
    assert names == {"good": 20, "late": 20}
