# SPDX-License-Identifier: Apache-2.0
"""The server ends its stream first; the client goes on sending 8 MiB and ends its own (HC2)."""
import statistics

from harness.culvert import relay_to
from harness.peer import FIN, Listener, pair, stream
from harness.wait import Stopwatch, limit

SIZE = 8 * 1024 * 1024


def test_half_close_down(culvert, splice_key):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    times = []
    for _ in range(3):
        client, served = pair(relay, server)
        served.send(b"hello")
        served.fin()
        client.expect_end(FIN, b"hello")
        stream(client, served, SIZE)
        client.fin()
        watch = Stopwatch()
        served.expect_end(FIN)
        times.append(watch.seconds())
        record = relay.record_of(client)
        assert (record["reason"], record["first"]) == ("done", "server")
        assert (record["upload_bytes"], record["download_bytes"]) == (SIZE, 5)
    assert statistics.median(times) < limit(0.1), times
