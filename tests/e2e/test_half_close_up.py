# SPDX-License-Identifier: Apache-2.0
"""The client ends its stream after a request; the server answers 8 MiB into the half-closed
session and ends its own. Everything arrives and the end follows at once (HC1)."""
import statistics

from harness.culvert import relay_to
from harness.peer import FIN, Listener, pair, stream
from harness.wait import Stopwatch, limit, wait_until

SIZE = 8 * 1024 * 1024


def test_half_close_up(culvert, splice_key):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    times = []
    for _ in range(3):
        client, served = pair(relay, server)
        client.send(b"req")
        client.fin()
        served.expect_end(FIN, b"req")
        wait_until(lambda: client.name in [one["client"] for one in relay.sessions("?phase=half_closed")], 3,
                   "phase half_closed")
        stream(served, client, SIZE)
        served.fin()
        watch = Stopwatch()
        client.expect_end(FIN)
        times.append(watch.seconds())
        record = relay.record_of(client)
        assert (record["reason"], record["first"]) == ("done", "client")
        assert (record["upload_bytes"], record["download_bytes"]) == (3, SIZE)
    assert statistics.median(times) < limit(0.1), times
