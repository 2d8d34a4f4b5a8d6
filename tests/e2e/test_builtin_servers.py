# SPDX-License-Identifier: Apache-2.0
"""The builtin servers echo, discard and chargen, and the quick run on the command line."""
import re
import signal
import subprocess

from harness.culvert import BINARY, clean_environment, relay_to
from harness.peer import FIN, Listener, connect, pattern, reading


def test_echo(culvert):
    relay = culvert(relay_to("builtin:echo"))
    for size in (0, 1, 1000, 3_000_000):
        client = connect(relay.address())
        back = reading(client)
        client.send(pattern(size), 20)
        client.fin()
        got, end = back.result()
        assert (got == pattern(size), end) == (True, FIN)
        assert relay.record_of(client)["reason"] == "done"


def test_discard(culvert):
    relay = culvert(relay_to("builtin:discard"))
    client = connect(relay.address())
    client.send(b"x" * 1_000_000)
    client.fin()
    client.expect_end(FIN)
    record = relay.record_of(client)
    assert (record["upload_bytes"], record["download_bytes"]) == (1_000_000, 0)


def test_chargen(culvert):
    relay = culvert(relay_to("builtin:chargen"))
    client = connect(relay.address())
    got = client.read(500_000)
    assert len(set(got)) > 90
    client.rst()
    assert relay.record_of(client)["reason"] == "client_reset"


def test_quick_run():
    server = Listener()
    process = subprocess.Popen([BINARY, "127.0.0.1:0", server.address], env=clean_environment(),
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        ready = process.stderr.readline()  # logfmt, as it is no terminal
        found = re.search(r"event=ready .*listen=\S*?(127\.0\.0\.1:\d+)", ready)
        assert found, ready
        client = connect(found.group(1))
        served = server.accept()
        client.send(b"quick")
        served.expect(b"quick")
        client.fin()
        served.close()
        client.expect_end(FIN)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
