# SPDX-License-Identifier: Apache-2.0
"""The first server is dead and the client sent 64 kB and its end before anybody was reached: the
second server gets each byte exactly once (CN4)."""
import pytest

from harness.culvert import relay_to
from harness.peer import (FIN, RST, Blackhole, Listener, Pattern, connect, pattern,
                          refused_address)
from harness.wait import Stopwatch, duration, limit, span

SIZE = 64 * 1024


@pytest.mark.parametrize("dead", ["refused", "blackhole"])
def test_connect_retry_keeps_bytes(culvert, dead):
    first = refused_address() if dead == "refused" else Blackhole().address
    second = Listener()
    relay = culvert(relay_to([first, second], pool={
        "balance": "first", "connect_timeout": duration(span(0.6)), "max_fails": 0}))
    rounds = 5 if dead == "refused" else 3
    for number in range(rounds):
        client = connect(relay.address())
        client.send(pattern(SIZE, number))
        client.fin()
        served = second.accept()
        got, end = served.read_end()
        assert (len(got), end) == (SIZE, FIN)
        Pattern(number).check(got)
        served.send(b"thanks")
        served.close()
        client.expect_end(FIN, b"thanks")
        record = relay.record_of(client)
        assert (record["reason"], record["retries"], record["upload_bytes"]) == ("done", 1, SIZE)
        assert record["server_addr"] == second.address
        assert record["errno"] == ""  # that of the first attempt is history
    assert second.accepted == rounds
    relay.wait_metric("culvert_connect_retries_total", rounds)


def test_no_server_is_tried_twice(culvert):
    """Three dead servers, ten retries allowed: three attempts, then the client is reset at once."""
    dead = [refused_address() for _ in range(3)]
    relay = culvert(relay_to(dead, pool={"connect_retries": 10, "max_fails": 0}))
    watch = Stopwatch()
    client = connect(relay.address())
    client.expect_end(RST)
    assert watch.seconds() < limit(3)
    record = relay.record_of(client)
    assert (record["reason"], record["retries"]) == ("connect_refused", 2)
    relay.wait_metric("culvert_connects_total", 3, result="refused")


def test_connect_retries_zero(culvert):
    second = Listener()
    relay = culvert(relay_to([refused_address(), second], pool={
        "balance": "first", "connect_retries": 0, "max_fails": 0}))
    client = connect(relay.address())
    client.expect_end(RST)
    assert relay.record_of(client)["retries"] == 0
    assert second.nobody_came()
