# SPDX-License-Identifier: Apache-2.0
"""`ctl pool NAME pause`: new sessions wait, those that are there go on, `resume` lets them in."""
import json
import os
import signal
import subprocess

import pytest

from harness import programs
from harness.culvert import BINARY, relay_to
from harness.peer import RST, EchoServer, NamedServer, connect, parse_address, read_line
from harness.wait import SLOW, wait_until


def post(relay, path, body=None):
    status, text = relay.get(path, method="POST", body=json.dumps(body) if body is not None else None)
    return status, json.loads(text)


def pool_of(relay):
    return relay.get_json("/api/v1/pools")["pools"][0]


def ctl(relay, *words):
    return subprocess.run([BINARY, "ctl", "--socket", relay.socket_path, *words], capture_output=True,
                          text=True, timeout=20 * SLOW)


def test_pause_and_resume(culvert):
    server = EchoServer()
    relay = culvert(relay_to(server, pool={"queue_size": 3, "queue_timeout": "60s"}), workers=2)
    before = connect(relay.address())
    before.send(b"a")
    before.expect(b"a")
    status, answer = post(relay, "/api/v1/pools/servers/pause")
    assert (status, answer["paused"], answer["sessions"]) == (200, True, 1)
    assert relay.metric("culvert_pool_paused", pool="servers") == 1
    before.send(b"b")
    before.expect(b"b")
    clients = [connect(relay.address()) for _ in range(3)]
    for client in clients:
        client.send(b"hello")
    wait_until(lambda: pool_of(relay)["waiting"] == 3, 5, "three sessions to wait")
    extra = connect(relay.address())
    extra.expect_end(RST)
    assert relay.record_of(extra)["reason"] == "queue_full"
    assert pool_of(relay)["paused"] is True
    status, answer = post(relay, "/api/v1/pools/servers/resume")
    assert (status, answer["paused"]) == (200, False)
    for client in clients:
        client.expect(b"hello")
    assert pool_of(relay)["waiting"] == 0
    relay.wait_record(lambda one: one.get("event") == "pool_resumed", what="the record of the resume")
    assert any(one.get("event") == "pool_paused" for one in relay.records())


def test_pause_has_an_end_for_each(culvert):
    server = EchoServer()
    relay = culvert(relay_to(server, pool={"queue_size": 3, "queue_timeout": "200ms"}))
    assert post(relay, "/api/v1/pools/servers/pause")[0] == 200
    client = connect(relay.address())
    client.expect_end(RST)
    assert relay.record_of(client)["reason"] == "queue_timeout"


def test_refusals(culvert):
    """What cannot be: a pool without a queue (409), names that are not there (404), the read-only door."""
    server = EchoServer()
    relay = culvert(relay_to(server, pool={}))
    status, answer = post(relay, "/api/v1/pools/servers/pause")
    assert status == 409 and "queue_size" in answer["error"]
    status, answer = post(relay, "/api/v1/pools/server/pause")
    assert (status, answer["did_you_mean"]) == (404, "servers")
    status, answer = post(relay, "/api/v1/pools/servers/pauze")
    assert (status, answer["did_you_mean"]) == (404, "pause")
    assert relay.get("/api/v1/pools/servers/pause")[0] == 405


def test_ctl(culvert):
    server = NamedServer("one")
    relay = culvert(relay_to(f"one {server.address}", pool={"queue_size": 3, "queue_timeout": "60s"}))
    done = ctl(relay, "pool", "servers", "pause")
    assert done.returncode == 0 and "paused" in done.stdout, done
    client = connect(relay.address())
    wait_until(lambda: pool_of(relay)["waiting"] == 1, 5, "the session to wait")
    assert ctl(relay, "pool", "servers", "resume").returncode == 0
    assert read_line(client) == "one"
    done = ctl(relay, "pool", "server", "pause")
    assert done.returncode == 1 and "did you mean 'servers'" in done.stderr
    assert ctl(relay, "pool", "servers").returncode == 64


@pytest.mark.deadline(120)
@pytest.mark.programs
@programs.needs("pgbench", "initdb", "postgres", "pg_ctl")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become postgres")
def test_postgres_restarts_under_load(culvert, tmp_path):
    """pgbench connects for each transaction while PostgreSQL is restarted between pause and resume:
    not one of its transactions fails. Each of its clients has a thread of its own: a thread that
    waits for a connect leaves the sessions of its other clients alone, and they would never end."""
    with programs.postgres_that_restarts() as server:
        relay = culvert(relay_to(server.address, pool={"queue_size": 1000, "queue_timeout": "60s"}),
                        workers=2)
        port = str(parse_address(relay.address())[1][1])
        options = ["-h", "127.0.0.1", "-p", port, "-U", "postgres"]
        programs.run("pgbench", *options, "-i", "-s", "1", "-q", "postgres")
        log = open(tmp_path / "pgbench", "w+", encoding="utf-8")
        load = subprocess.Popen([programs.find("pgbench"), *options, "-n", "-C", "-c", "6", "-j", "6",
                                 "-T", "600", "-S", "postgres"], stdout=log, stderr=log)
        try:
            wait_until(lambda: pool_of(relay)["servers"][0]["connects"]["ok"] > 50, 20, "load")
            assert post(relay, "/api/v1/pools/servers/pause")[0] == 200
            wait_until(lambda: pool_of(relay)["sessions"] == 0, 20, "the sessions to end")
            server.restart()
            wait_until(lambda: pool_of(relay)["waiting"] > 0, 20, "clients to wait")
            assert post(relay, "/api/v1/pools/servers/resume")[0] == 200
            served = pool_of(relay)["servers"][0]["connects"]["ok"]
            wait_until(lambda: pool_of(relay)["servers"][0]["connects"]["ok"] > served + 50, 20,
                       "load after the restart")
            load.send_signal(signal.SIGALRM)  # its time is over: it ends what it has begun
            code = load.wait(60 * SLOW)
        finally:
            load.kill()
            load.wait()
        log.seek(0)
        text = log.read()
        assert code == 0 and "error" not in text and "aborted" not in text, text
        assert "number of failed transactions: 0 (0.000%)" in text, text
    assert {one["reason"] for one in relay.session_records()} <= {"done", "client_reset"}
