# SPDX-License-Identifier: Apache-2.0
"""An operator aborts one of the relay's own sockets with `ss -K`: the other side sees a reset, no
spin, no leak (RS4)."""
import shutil
import subprocess

import pytest

from harness.culvert import relay_to
from harness.netns import in_network_namespace
from harness.peer import RST, Listener, exchange, pair


@pytest.mark.skipif(not shutil.which("ss"), reason="needs ss")
@pytest.mark.parametrize("side", ["frontend", "backend"])
@in_network_namespace()
def test_killed_sockets(culvert, side):
    server = Listener()
    relay = culvert(relay_to(server))
    for _ in range(5):
        client, served = pair(relay, server)
        exchange(client, served)
        # The relay's socket: its peer is our end.
        victim = client if side == "frontend" else served
        done = subprocess.run(["ss", "-K", "-t", "-n", "-H", "dst", victim.name,
                               "src", victim.peer_name()], capture_output=True, text=True)
        if done.returncode != 0 or victim.name not in done.stdout:
            pytest.skip(f"this kernel cannot abort a socket from outside: {done.stderr}")
        other = served if side == "frontend" else client
        other.expect_end(RST)
        record = relay.record_of(client)
        assert record["reason"] == ("client_reset" if side == "frontend" else "server_reset")
        assert record["errno"] == "ECONNABORTED"
