# SPDX-License-Identifier: Apache-2.0
"""nmap in several ways against a listener: no error-level record, nothing left behind (SL6)."""
import shutil
import subprocess

import pytest

from harness.culvert import relay_to
from harness.netns import in_network_namespace
from harness.peer import Server, connect, parse_address


@pytest.mark.programs
@pytest.mark.skipif(not shutil.which("nmap"), reason="needs nmap")
@in_network_namespace()
def test_port_scan(culvert):
    patience = [1]
    server = Server(lambda conn: (conn.read_some(1024, patience[0]), conn.close()))
    relay = culvert(relay_to(server))
    port = parse_address(relay.address())[1][1]
    for options in (["-sS"], ["-sT"], ["-sX"], ["-sV", "--version-intensity", "0"]):
        done = subprocess.run(
            ["nmap", *options, "-Pn", "-n", "--max-retries", "1", "--host-timeout", "8s", "-p",
             str(port), "127.0.0.1"], capture_output=True, text=True, timeout=40)
        assert done.returncode == 0, done.stderr
    relay.wait_idle()
    assert not [one for one in relay.records() if one.get("level") == "error"]
    patience[0] = 30
    client = connect(relay.address())
    client.send(b"still there")
    client.expect_end("FIN")
