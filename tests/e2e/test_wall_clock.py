# SPDX-License-Identifier: Apache-2.0
"""The wall clock jumps back and forth by days and years during live sessions: no timer fires early,
none is missed (CK1)."""
import glob

import pytest

from harness.culvert import relay_to
from harness.peer import RST, Listener, exchange, pair
from harness.wait import Stopwatch, limit, wait_until

LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)

pytestmark = [pytest.mark.plain_build,
              pytest.mark.skipif(not LIBRARY, reason="needs the library of faketime")]


def test_wall_clock(culvert, tmp_path):
    clock = tmp_path / "clock"
    clock.write_text("+0")
    server = Listener()
    relay = culvert(relay_to(server, defaults={"idle_timeout": "3s"}), env={
        "LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1"})
    pairs = [pair(relay, server) for _ in range(50)]
    last = {}
    for jump in ("-1d", "+1d", "-20y", "+20y", "+0"):
        clock.write_text(jump)
        for client, served in pairs:
            last[client] = Stopwatch()
            exchange(client, served)
        assert pairs[0][0].is_silent(0.2)
    clock.write_text("-1d")
    for client, _ in pairs:
        client.expect_end(RST, seconds=10)
        assert last[client].seconds() > 2.9
    assert last[pairs[0][0]].seconds() < limit(6)
    wait_until(lambda: len(relay.session_records()) == 50, 3, "the records")
    for record in relay.session_records():
        assert record["reason"] == "idle_timeout"
        assert 2.9 < record["duration_s"] < limit(12)
