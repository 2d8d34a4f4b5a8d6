# SPDX-License-Identifier: Apache-2.0
"""The control socket: probes, metrics, listeners with their real ports, live sessions, errors."""
import json

from harness.culvert import relay_to
from harness.peer import Listener, exchange, pair, parse_address
from harness.wait import wait_until


def test_probes_and_overview(culvert):
    relay = culvert(relay_to(Listener()))
    assert relay.get("/healthz")[0] == 200
    status, text = relay.get("/readyz")
    assert (status, json.loads(text)["ready"]) == (200, True)
    overview = relay.overview()
    assert overview


def test_listeners(culvert):
    server = Listener()
    sections = relay_to(server)
    sections["listen second"] = {"bind": "127.0.0.1:0 127.0.0.2:0", "server": server.address}
    relay = culvert(sections)
    found = relay.listeners()
    assert set(found) == {"main", "second"}
    assert len(found["second"]["addresses"]) == 2
    for one in found.values():
        for address in one["addresses"]:
            assert parse_address(address)[1][1] > 0
        assert (one["sessions"], one["accepted_total"]) == (0, 0)
    client, served = pair(relay, server, "second")
    exchange(client, served)
    found = relay.listeners()
    assert (found["second"]["sessions"], found["second"]["accepted_total"]) == (1, 1)
    assert (found["main"]["sessions"], found["main"]["accepted_total"]) == (0, 0)


def test_sessions(culvert):
    server = Listener()
    relay = culvert(relay_to([f"one {server.address}"]), workers=2)
    pairs = [pair(relay, server) for _ in range(10)]
    for client, served in pairs:
        exchange(client, served)
    # The bytes arrive a moment before they are counted.
    wait_until(lambda: all(one["download_bytes"] == 1 for one in relay.sessions()), 3, "the bytes to be counted")
    answer = relay.get_json("/api/v1/sessions")
    assert (answer["total"], answer["truncated"]) == (10, False)
    by_client = {one["client"]: one for one in answer["sessions"]}
    client, served = pairs[3]
    row = by_client[client.name]
    assert (row["listener"], row["pool"], row["server"], row["phase"]) == (
        "main", "main", "one", "relay")
    assert row["server_addr"] == server.address
    assert (row["upload_bytes"], row["download_bytes"]) == (1, 1)
    assert row["duration_s"] >= 0
    assert len({one["id"] for one in answer["sessions"]}) == 10
    few = relay.get_json("/api/v1/sessions?limit=4")
    assert (len(few["sessions"]), few["total"], few["truncated"]) == (4, 10, True)


def test_metrics(culvert):
    server = Listener()
    relay = culvert(relay_to(server), workers=2)
    before = relay.metrics()
    # Every series exists with 0 from the start, so rate() sees the first event.
    assert before.has("culvert_sessions_closed_total", listener="main", reason="server_reset")
    assert before.has("culvert_bytes_total", direction="upload")
    assert before.has("culvert_relayed_bytes_total", path="splice")
    client, served = pair(relay, server)
    client.send(b"u" * 100)
    served.expect(b"u" * 100)
    served.send(b"d" * 300)
    client.expect(b"d" * 300)
    # The bytes arrive a moment before they are counted.
    wait_until(lambda: relay.metric("culvert_bytes_total", direction="download") == 300, 2,
               "the bytes to be counted")
    live = relay.metrics()
    assert live.value("culvert_connections_accepted_total", listener="main") == 1
    assert live.value("culvert_sessions", listener="main", phase="relay") == 1
    assert live.value("culvert_bytes_total", direction="upload") == 100
    assert live.value("culvert_bytes_total", direction="download") == 300
    assert live.value("culvert_connects_total", result="ok") == 1
    client.rst()
    relay.record_of(client)
    relay.wait_idle()
    after = relay.metrics()
    assert after.value("culvert_sessions") == 0
    assert after.value("culvert_session_duration_seconds_count", listener="main") == 1
    # HELP and TYPE for every name.
    names = {name for name, _, _ in after.series}
    for name in names:
        base = name
        for suffix in ("_bucket", "_sum", "_count"):
            if f"# TYPE {name.removesuffix(suffix)} histogram" in after.text:
                base = name.removesuffix(suffix)
        assert f"# HELP {base} " in after.text, name
        assert f"# TYPE {base} " in after.text, name


def test_errors(culvert):
    relay = culvert(relay_to(Listener()))
    assert relay.get("/no/such/path")[0] == 404
    assert relay.get("/api/v1/nothing")[0] == 404
    assert relay.get("/metrics", method="PUT")[0] in (400, 405, 501)
    assert relay.get("/healthz")[0] == 200
