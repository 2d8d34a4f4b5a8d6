# SPDX-License-Identifier: Apache-2.0
"""While bytes wait for a stalled side the idle clock stands still (the silence is our doing): the
session outlives idle_timeout and ends by stall_timeout, or goes on if the reader resumes."""
from harness.culvert import relay_to
from harness.peer import FIN, Listener, Pattern, exchange, pair
from harness.wait import Stopwatch, limit, stays_true


def start(culvert, stall):
    # Small buffers: what waits is read in a moment once the reader resumes.
    server = Listener(sndbuf=32768)
    relay = culvert(relay_to(server, defaults={
        "send_buffer": "32k", "receive_buffer": "64k",
        "idle_timeout": "600ms", "half_close_timeout": "600ms", "stall_timeout": stall}))
    client, served = pair(relay, server, rcvbuf=8192)
    exchange(client, served)
    return relay, client, served


def test_stall_wins_over_idle(culvert):
    relay, client, served = start(culvert, "2s")
    watch = Stopwatch()
    served.fill(quiet=0.1)
    served.wait_reset(6)
    assert 1.9 < watch.seconds() < limit(5)
    record = relay.record_of(client)
    assert (record["reason"], record["waited_for"]) == ("stall_timeout", "client")


def test_session_goes_on_when_the_reader_resumes(culvert):
    relay, client, served = start(culvert, "10s")
    sent = served.fill(quiet=0.1)
    # Three times idle_timeout:
    stays_true(lambda: relay.sessions_total() == 1, 1.8, "the session")
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
    # Three times half_close_timeout:
    stays_true(lambda: relay.sessions_total() == 1, 1.8, "the session")
    got = client.read(sent)
    Pattern(1).check(got)
    served.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["reason"] == "done"
