# SPDX-License-Identifier: Apache-2.0
"""While bytes wait for a stalled side the idle clock stands still (the silence is our doing): the
session outlives idle_timeout and ends by stall_timeout, or goes on if the reader resumes."""
from harness.culvert import relay_to
from harness.peer import FIN, Listener, Pattern, exchange, pair
from harness.wait import Stopwatch, duration, limit, span, stays_true


def start(culvert, idle, stall):
    # Small buffers: what waits is read in a moment once the reader resumes.
    server = Listener(sndbuf=32768)
    relay = culvert(relay_to(server, defaults={
        "send_buffer": "32k", "receive_buffer": "64k",
        "idle_timeout": duration(idle), "half_close_timeout": duration(idle), "stall_timeout": duration(stall)}))
    client, served = pair(relay, server, rcvbuf=8192)
    exchange(client, served)
    return relay, client, served


def test_stall_wins_over_idle(culvert):
    idle, stall = span(0.8), span(2)
    relay, client, served = start(culvert, idle, stall)
    watch = Stopwatch()
    served.fill()
    served.wait_reset(8)
    assert stall - 0.1 < watch.seconds() < stall + limit(5)
    record = relay.record_of(client)
    assert (record["reason"], record["waited_for"]) == ("stall_timeout", "client")


def test_session_goes_on_when_the_reader_resumes(culvert):
    idle = span(0.8)
    relay, client, served = start(culvert, idle, 100)
    sent = served.fill()
    # Three times idle_timeout:
    stays_true(lambda: relay.sessions_total() == 1, 3 * idle, "the session")
    got = client.read(sent)
    Pattern(1).check(got)
    served.fin()
    client.expect_end(FIN)
    client.fin()
    served.expect_end(FIN)
    assert relay.record_of(client)["reason"] == "done"


def test_half_close_clock_stands_still_as_well(culvert):
    idle = span(0.8)
    relay, client, served = start(culvert, idle, 100)
    client.fin()
    served.expect_end(FIN)
    sent = served.fill()
    # Three times half_close_timeout:
    stays_true(lambda: relay.sessions_total() == 1, 3 * idle, "the session")
    got = client.read(sent)
    Pattern(1).check(got)
    served.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["reason"] == "done"
