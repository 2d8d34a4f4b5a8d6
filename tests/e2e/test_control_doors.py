# SPDX-License-Identifier: Apache-2.0
"""The control socket may change things, `[admin] bind` reads, `[metrics] bind` has metrics and probes
only, and over TCP no foreign host name is served (AD1, AD2); metrics pass Prometheus' own check and
stay true while sessions churn (AD5)."""
import http.client
import json
import random
import shutil
import statistics
import subprocess

import pytest

from harness.culvert import relay_to, run_culvert
from harness.peer import Listener, Server, connect, exchange, pair
from harness.wait import Stopwatch, limit, wait_until


def free_address():
    """Of the loopback addresses one that nobody else uses: a free port might be taken meanwhile."""
    return f"127.{random.randint(64, 250)}.{random.randint(0, 255)}.{random.randint(1, 254)}:9797"


def ask(address, path, method="GET", headers=None):
    connection = http.client.HTTPConnection(address, timeout=limit(5))
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


@pytest.fixture
def doors(culvert):
    """A relay with one session and three doors."""
    server = Listener()
    admin, metrics = free_address(), free_address()
    relay = culvert(relay_to(server, admin={"bind": admin}, metrics={"bind": metrics}))
    client, served = pair(relay, server)
    exchange(client, served)
    return relay, admin, metrics, client, served


def test_permissions(doors):
    relay, admin, metrics, client, served = doors
    session = relay.sessions()[0]["id"]
    one = f"/api/v1/sessions/{session}"
    for path, on_metrics in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/", 404),
                             ("/api/v1/overview", 404), ("/api/v1/listeners", 404),
                             ("/api/v1/pools", 404), ("/api/v1/sessions", 404), (one, 404),
                             ("/api/v1/version", 404)):
        assert relay.get(path)[0] == 200
        assert ask(admin, path)[0] == 200
        assert ask(metrics, path)[0] == on_metrics
    assert ask(admin, one, "DELETE")[0] == 403
    assert ask(metrics, one, "DELETE")[0] == 404
    exchange(client, served)  # still alive
    assert json.loads(relay.get(one)[1])["client"] == client.name


def test_host_names(doors):
    _, admin, metrics, _, _ = doors
    for address in (admin, metrics):
        assert ask(address, "/metrics", headers={"Host": "localhost:9797"})[0] == 200
        assert ask(address, "/metrics", headers={"Host": "evil.example"})[0] == 421
        status, _, headers = ask(address, "/readyz")
        assert status == 200
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Access-Control-Allow-Origin"] is None


def test_filters(culvert):
    server = Listener()
    sections = relay_to([f"one {server.address}"])
    sections["listen second"] = {"bind": "127.0.0.1:0", "server": f"two {server.address}"}
    relay = culvert(sections, workers=2)
    pairs = [pair(relay, server, name) for name in ("main", "main", "second")]
    for client, served in pairs:
        exchange(client, served)
    assert len(relay.sessions("?listener=main")) == 2
    assert [one["client"] for one in relay.sessions("?server=two")] == [pairs[2][0].name]
    assert len(relay.sessions("?phase=relay&pool=second")) == 1
    pairs[2][1].fin()
    assert pairs[2][0].read_end() is not None
    half = wait_until(lambda: relay.sessions("?phase=half_closed"), 3, "a session in phase half_closed")
    assert [one["client"] for one in half] == [pairs[2][0].name]
    status, text = relay.get("/api/v1/sessions?listener=mian")
    assert status == 404
    assert json.loads(text)["did_you_mean"] == "main"


def test_ctl_kills(doors):
    relay, _, _, client, _ = doors
    session = relay.sessions()[0]["id"]
    done = run_culvert("ctl", "kill", session, "--socket", relay.socket_path)
    assert (done.returncode, done.stdout) == (0, "killed\t1\n"), done.stderr
    assert relay.record_of(client)["reason"] == "killed"
    assert run_culvert("ctl", "kill", session, "--socket", relay.socket_path).returncode == 1


def test_ctl_over_tcp(doors):
    relay, admin, _, client, _ = doors
    environment = {"CULVERT_ADMIN": admin, "CULVERT_SOCKET": relay.socket_path + ".none"}
    # A socket that was named is the only place asked.
    assert run_culvert("ctl", "ready", env=environment).returncode == 69
    del environment["CULVERT_SOCKET"]
    done = run_culvert("ctl", "ready", env=environment)
    if done.returncode == 0:  # but for a culvert of this machine at the usual place
        assert done.stdout == "ready\n"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (package prometheus)")
def test_promtool(doors):
    relay = doors[0]
    done = subprocess.run(["promtool", "check", "metrics"], input=relay.get("/metrics")[1],
                          text=True, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_openmetrics(doors):
    relay = doors[0]
    status, text = relay.get("/metrics",
                             headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert status == 200
    assert text.endswith("\n# EOF\n")
    assert "# TYPE culvert_connections_accepted counter\n" in text
    assert 'culvert_connections_accepted_total{listener="main"} 1\n' in text


def test_metrics_during_churn(culvert):
    """Counters never fall, and at the end everything that was accepted has been closed."""
    rounds, width = 30, 20
    server = Server()
    relay = culvert(relay_to(server), workers=2)
    seen = (0, 0, 0)
    times = []
    for _ in range(rounds):
        clients = [connect(relay.address()) for _ in range(width)]
        for client in clients:
            client.send(b"x")
        watch = Stopwatch()
        now = relay.metrics()
        times.append(watch.seconds())
        fresh = (now.value("culvert_connections_accepted_total"),
                 now.value("culvert_sessions_closed_total"), now.value("culvert_bytes_total"))
        assert all(new >= old for new, old in zip(fresh, seen)), (seen, fresh)
        seen = fresh
        for client in clients:
            client.fin()
        for client in clients:
            client.read_end()
    assert statistics.median(times) < limit(0.5), times
    relay.wait_idle()
    final = relay.metrics()
    assert final.value("culvert_connections_accepted_total") == rounds * width
    assert final.value("culvert_sessions_closed_total") == rounds * width
    assert final.value("culvert_session_duration_seconds_count") == rounds * width
    assert final.value("culvert_bytes_total", direction="upload") == rounds * width
    assert final.value("culvert_relayed_bytes_total") == final.value("culvert_bytes_total")
