# SPDX-License-Identifier: Apache-2.0
"""`culvert ctl`: status, sessions, ready, with their exit codes, for people and as JSON."""
import json
import signal

from harness.culvert import relay_to, run_culvert
from harness.peer import Listener, exchange, pair
from harness.wait import wait_until


def ctl(relay, *words):
    return run_culvert("ctl", *words, "--socket", relay.socket_path)


def test_ctl(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    exchange(client, served)
    assert ctl(relay, "ready").returncode == 0
    assert ctl(relay, "ready", "--quiet").stdout == ""
    status = ctl(relay, "status")
    assert status.returncode == 0 and "ready" in status.stdout
    sessions = ctl(relay, "sessions")
    assert sessions.returncode == 0 and client.name in sessions.stdout
    answer = json.loads(ctl(relay, "sessions", "--json").stdout)
    assert answer["sessions"][0]["client"] == client.name
    relay.send_signal(signal.SIGTERM)
    wait_until(lambda: ctl(relay, "ready").returncode == 1, 5, "`ctl ready` to say no")
    client.close()
    served.close()
    assert relay.wait_exit() == 0


def test_nobody_listens(tmp_path):
    done = run_culvert("ctl", "status", "--socket", str(tmp_path / "none.sock"))
    assert done.returncode == 69
    assert run_culvert("ctl", "no-such-command").returncode == 64
