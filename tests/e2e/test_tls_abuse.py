# SPDX-License-Identifier: Apache-2.0
"""What a TLS peer may do at our cost is bounded: key updates without end, tickets asked for again
and again, guessed tickets and session ids, alerts, records that carry nothing (SL5)."""
import pytest

from harness.peer import FIN, RST, EchoServer, Listener, connect, exchange
from harness.tls import TC, TLS13, TS, Plane, RecordMaker, client_context, start_tls


def start(culvert):
    return culvert(Plane(TC, TLS13).sections(EchoServer()))


@pytest.mark.plain_build
def test_key_updates_without_end(culvert):
    """Ten thousand of them, each asking for one in return: memory stays, the session works."""
    relay = start(culvert)
    client = start_tls(connect(relay.address()))
    client.send(b"a")
    client.expect(b"a")
    before = relay.ledger().anonymous_kb
    for number in range(10_000):
        client.update_key(requested=True, at_once=True)
        if number % 100 == 0:
            client.send(b"b")
            client.expect(b"b")
    client.send(b"c")
    client.expect(b"c", 20)
    assert relay.ledger().anonymous_kb - before < 1024
    client.fin()
    client.expect_end(FIN)


def test_empty_records_without_end(culvert, tmp_path):
    """OpenSSL ends a stream of empty records; the reason is a TLS one."""
    sections = Plane(TC, TLS13).sections(EchoServer())
    sections["tls in"]["ciphersuites"] = "TLS_AES_128_GCM_SHA256"
    relay = culvert(sections)
    context = client_context(version=TLS13)
    context.keylog_filename = str(tmp_path / "keys")
    client = start_tls(connect(relay.address()), context)
    maker = RecordMaker(tmp_path / "keys", "CLIENT_TRAFFIC_SECRET_0")
    try:
        for _ in range(200):
            client.send_raw(b"".join(maker.record(b"") for _ in range(50)))
    except (ConnectionResetError, BrokenPipeError):
        pass
    record = relay.record_of(client)
    assert record["reason"] == "client_tls" and record["upload_bytes"] == 0


@pytest.mark.parametrize("alert,want", [((1, 90), None), ((2, 80), "client_tls"),
                                        ((2, 48), "client_tls")])
def test_alerts_in_a_session(culvert, tmp_path, alert, want):
    """user_canceled is a warning without a meaning, a fatal alert is the end: of bad TLS, not of the
    stream."""
    server = Listener()
    sections = Plane(TC, TLS13).sections(server)
    sections["tls in"]["ciphersuites"] = "TLS_AES_128_GCM_SHA256"
    relay = culvert(sections)
    context = client_context(version=TLS13)
    context.keylog_filename = str(tmp_path / "keys")
    client = start_tls(connect(relay.address()), context)
    served = server.accept()
    maker = RecordMaker(tmp_path / "keys", "CLIENT_TRAFFIC_SECRET_0")
    client.send_raw(maker.record(b"data"))
    client.send_raw(maker.record(bytes(alert), kind=21))
    if want is None:
        client.send_raw(maker.record(b"more"))
        client.send_raw(maker.record(b"\x01\x00", kind=21))
        served.expect_end(FIN, b"datamore")
        served.fin()
        client.read_end()
        assert relay.record_of(client)["reason"] == "done"
    else:
        served.expect_end(RST, b"data")
        record = relay.record_of(client)
        assert (record["reason"], record["first"]) == (want, "client")
        assert "alert" in record["tls_error"].lower()


def test_guessed_tickets(culvert):
    """A ticket with a wrong byte, and one of our own making, lead to a full handshake, not to an
    error and not to a session."""
    relay = start(culvert)
    context = client_context(version=TLS13)
    client = start_tls(connect(relay.address()), context)
    client.send(b"a")
    client.expect(b"a")
    session = client.ssl.session
    client.fin()
    client.expect_end(FIN)
    other = start(culvert)  # has other keys: each ticket is a guess there
    for _ in range(5):
        client = start_tls(connect(other.address()), context, session=session)
        assert not client.ssl.session_reused
        client.send(b"a")
        client.expect(b"a")
        client.fin()
        client.expect_end(FIN)
    assert other.metric("culvert_tls_resumptions_total", side="client") == 0


def test_hostile_server_records(culvert):
    """A server that sends records of one byte, then never reads (BK4): everything arrives, memory is
    bounded, the end is right."""
    plane, server = Plane(TS, TLS13), Listener()
    relay = culvert(plane.sections(server, listen={"stall_timeout": "500ms"}))
    client, served = plane.pair(relay, server)
    exchange(client, served)
    before = relay.ledger().anonymous_kb
    served.send_raw(b"".join(served.encrypt(b"x") for _ in range(20_000)))
    client.expect(b"x" * 20_000)
    client.fill(quiet=0.1)
    assert relay.ledger().anonymous_kb - before < 4096
    client.wait_reset(5)
    record = relay.record_of(client)
    assert (record["reason"], record["waited_for"]) == ("stall_timeout", "server")
    assert record["undelivered_bytes"] > 0
