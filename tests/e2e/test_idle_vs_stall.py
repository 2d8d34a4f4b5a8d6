# SPDX-License-Identifier: Apache-2.0
"""While bytes wait for a stalled side the idle clock stands still (the silence is our doing): the
session outlives idle_timeout and ends by stall_timeout, or goes on if the reader resumes."""
from harness.culvert import relay_to
from harness.peer import FIN, Listener, Pattern, exchange, pair
from harness.wait import Stopwatch, limit


def start(culvert, stall):
    server = Listener()
    relay = culvert(relay_to(server, defaults={
        "idle_timeout": "300ms", "half_close_timeout": "300ms", "stall_timeout": stall}))
    client, served = pair(relay, server, rcvbuf=8192)
    exchange(client, served)
    return relay, client, served


def test_stall_wins_over_idle(culvert):
    relay, client, served = start(culvert, "1200ms")
    watch = Stopwatch()
    served.fill(quiet=0.1)
    served.wait_reset(6)
    assert 1.1 < watch.seconds() < limit(3)
    record = relay.record_of(client)
    assert (record["reason"], record["waited_for"]) == ("stall_timeout", "client")


def test_session_goes_on_when_the_reader_resumes(culvert):
    relay, client, served = start(culvert, "10s")
    sent = served.fill(quiet=0.1)
    assert served.is_silent(0.9)  # three times idle_timeout
    got = client.read(sent)
    Pattern(1).check(got)
    served.fin()
    client.expect_end(FIN)
    client.fin()
    served.expect_end(FIN)
    assert relay.record_of(client)["reason"] == "done"


def test_half_close_clock_stands_still_as_well(culvert):
    relay, client, served = start(culvert, "10s")
    client.fin()
    served.expect_end(FIN)
    sent = served.fill(quiet=0.1)
    assert served.is_silent(0.9)  # three times half_close_timeout
    got = client.read(sent)
    Pattern(1).check(got)
    served.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["reason"] == "done"
