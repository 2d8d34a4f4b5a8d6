# SPDX-License-Identifier: Apache-2.0
"""The session record: its keys in their order, exact counts and plausible times, the same in JSON,
logfmt and text; who gets one is a matter of `access`."""
import json
import re

import pytest

from harness.culvert import relay_to
from harness.peer import FIN, RST, Listener, connect, exchange, pair, refused_address
from harness.wait import limit, wait_until

KEYS = ["time", "level", "event", "id", "listener", "route", "pool", "server", "client",
        "server_addr", "reason", "phase", "first", "errno", "upload_bytes", "download_bytes",
        "undelivered_bytes", "queue_s", "connect_s", "first_byte_s", "duration_s", "retries", "path"]


def one_session(relay, server):
    client, served = pair(relay, server)
    client.send(b"u" * 912)
    served.read(912)
    assert client.is_silent(0.05)
    served.send(b"d" * 7021)
    client.read(7021)
    assert client.is_silent(0.1)
    client.fin()
    served.expect_end(FIN)
    served.close()
    client.expect_end(FIN)
    return client


def test_json(culvert):
    server = Listener()
    relay = culvert(relay_to([f"pg-1 {server.address}"], pool={}))
    client = one_session(relay, server)
    record = relay.record_of(client)
    known = [key for key in record if key in KEYS]
    assert known == KEYS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])
    assert (record["level"], record["listener"], record["pool"], record["server"]) == (
        "info", "main", "servers", "pg-1")
    assert record["server_addr"] == server.address
    assert (record["upload_bytes"], record["download_bytes"]) == (912, 7021)
    assert (record["undelivered_bytes"], record["retries"], record["path"]) == (0, 0, "copy")
    assert (record["reason"], record["phase"], record["first"], record["errno"]) == (
        "done", "relay", "client", "")
    assert 0 <= record["connect_s"] < limit(1)
    assert 0.04 < record["first_byte_s"] < limit(2)
    assert 0.14 < record["duration_s"] < limit(5)


def test_ids_are_unique(culvert):
    server = Listener()
    relay = culvert(relay_to(server), workers=3)
    for _ in range(60):
        client, served = pair(relay, server)
        client.rst()
        served.discard()
    wait_until(lambda: len(relay.session_records()) == 60, 3, "sixty records")
    assert len({one["id"] for one in relay.session_records()}) == 60


def parse_logfmt(line):
    pairs = re.findall(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ ]*)', line)
    return {key: json.loads(value) if value.startswith('"') else value for key, value in pairs}


def test_logfmt(culvert):
    server = Listener()
    relay = culvert(relay_to(server), log={"format": "logfmt"})
    client = one_session(relay, server)
    line = wait_until(lambda: next((line for line in relay.stderr_text().splitlines()
                                    if "event=session_end" in line), None), 3, "the record")
    record = parse_logfmt(line)
    assert [key for key in record if key in KEYS] == KEYS
    assert record["client"] == client.name
    assert (record["upload_bytes"], record["download_bytes"]) == ("912", "7021")
    assert record["reason"] == "done"


def test_text(culvert):
    server = Listener()
    relay = culvert(relay_to(server), log={"format": "text", "color": "never"})
    client = one_session(relay, server)
    line = wait_until(lambda: next((line for line in relay.stderr_text().splitlines()
                                    if client.name in line and "done" in line), None), 3, "the record")
    assert "\x1b" not in line
    for word in ("main", "912", "7021"):
        assert word in line


@pytest.mark.parametrize("access,expected", [
    ("all", {"done", "client_reset", "connect_refused"}),
    ("errors", {"client_reset", "connect_refused"}), ("off", set())])
def test_access(culvert, access, expected):
    server = Listener()
    sections = relay_to(server)
    sections["listen dead"] = {"bind": "127.0.0.1:0", "server": refused_address()}
    relay = culvert(sections, log={"access": access})
    one_session(relay, server)
    client, served = pair(relay, server)
    exchange(client, served)
    client.rst()
    served.expect_end(RST)
    connect(relay.address("dead")).expect_end(RST)
    wait_until(lambda: relay.metric("culvert_sessions_closed_total") == 3, 3, "three closed sessions")
    wait_until(lambda: {one["reason"] for one in relay.session_records()} >= expected, 3,
               "the records")
    relay.stop()
    assert {one["reason"] for one in relay.session_records()} == expected


def test_access_of_one_listener(culvert):
    server = Listener()
    sections = relay_to(server, listen={"access": "off"})
    sections["listen loud"] = {"bind": "127.0.0.1:0", "server": server.address}
    relay = culvert(sections)
    for name in ("main", "loud"):
        client, served = pair(relay, server, name)
        client.rst()
        served.discard()
    wait_until(lambda: relay.metric("culvert_sessions_closed_total") == 2, 3, "two closed sessions")
    relay.stop()
    assert [one["listener"] for one in relay.session_records()] == ["loud"]


def test_access_start(culvert):
    server = Listener()
    relay = culvert(relay_to(server), log={"access_start": "yes"})
    client, served = pair(relay, server)
    start = relay.wait_record(lambda one: one.get("event") == "session_start", 3)
    assert start["client"] == client.name
    client.rst()
    end = relay.record_of(client)
    assert end["id"] == start["id"]


@pytest.mark.parametrize("mode,expected", [("masked", "127.0.0.0"), ("off", "")])
def test_client_ip(culvert, mode, expected):
    server = Listener()
    relay = culvert(relay_to(server), log={"client_ip": mode})
    client, served = pair(relay, server, source="127.0.0.77")
    client.rst()
    served.discard()
    record = relay.only_record()
    assert record["client"].startswith(expected)
    assert "127.0.0.77" not in json.dumps(record)
