# SPDX-License-Identifier: Apache-2.0
"""Records of one byte and of 16 KiB, empty and padded ones, and keys renewed every ten records, in
both directions: the bytes stay the same (BX1, BX9). A flow that stops on its budget goes on although
the socket is silent: no event tells of what OpenSSL holds."""
import pytest

from harness.peer import FIN, Background, Listener, connect, exchange, pattern, stream
from harness.tls import (PLANES, TLS12, TLS13, Plane, RecordMaker, TlsConn, answer_tls,
                         client_context, duplex, server_context, start_tls)
from harness.wait import Stopwatch, limit


def finish(relay, client, served):
    client.fin()
    served.expect_end(FIN)
    served.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["reason"] == "done"


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("sides", PLANES)
def test_both_directions_at_once(culvert, sides, version):
    plane, server = Plane(sides, version), Listener()
    relay = culvert(plane.sections(server))
    client, served = plane.pair(relay, server)
    duplex(client, served, 4 * 1024 * 1024 + 7777)
    finish(relay, client, served)
    relay.wait_metric_from("culvert_relayed_bytes_total", 8 * 1024 * 1024, path="tls")
    assert relay.metric("culvert_relayed_bytes_total", path="splice") == 0


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("sides", PLANES)
def test_sizes(culvert, sides, version):
    """One write of each size at which records and buffers begin and end, each way."""
    plane, server = Plane(sides, version), Listener()
    relay = culvert(plane.sections(server))
    client, served = plane.pair(relay, server)
    for size in (1, 2, 4095, 4096, 4097, 16383, 16384, 16385, 16408, 32768, 65535, 65536, 65537):
        for source, destination in ((client, served), (served, client)):
            data = pattern(size, size)
            sending = Background(source.send, data)
            destination.expect(data)
            sending.result()
    finish(relay, client, served)


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("sides", PLANES)
def test_small_records_in_one_wakeup(culvert, sides, version):
    """Fifteen hundred records of one byte are in the socket before the relay looks, and nothing
    comes behind them: all are relayed, though a turn takes only some."""
    plane, server = Plane(sides, version), Listener()
    relay = culvert(plane.sections(server))
    client, served = plane.pair(relay, server)
    exchange(client, served)
    data = pattern(1500)
    for source, destination in ((client, served), (served, client)):
        if not isinstance(source, TlsConn):
            continue
        raw = b"".join(source.encrypt(data[at:at + 1]) for at in range(len(data)))
        with relay.frozen():
            source.send_raw(raw)
        watch = Stopwatch()
        destination.expect(data, 2)
        assert watch.seconds() < limit(0.5)
    finish(relay, client, served)


@pytest.mark.parametrize("sides", PLANES)
def test_key_updates(culvert, sides):
    """A new key before every tenth record, some of them with the demand for another from us."""
    plane, server = Plane(sides, TLS13), Listener()
    relay = culvert(plane.sections(server))
    client, served = plane.pair(relay, server)
    for number in range(100):
        for source, destination in ((client, served), (served, client)):
            if isinstance(source, TlsConn) and number % 10 == 0:
                source.update_key(requested=number % 20 == 0)
            data = pattern(1000 + 163 * number, number)
            source.send(data)
            destination.expect(data)
    stream(client, served, 1 << 20, seed=5)
    stream(served, client, 1 << 20, seed=6)
    finish(relay, client, served)


@pytest.mark.parametrize("sides", ["TC", "TS"])
def test_empty_and_padded_records(culvert, tmp_path, sides):
    """Empty records carry nothing, not even an end; padding is no data."""
    plane, server = Plane(sides, TLS13), Listener()
    sections = plane.sections(server)
    for header in ("tls in", "tls out"):
        if header in sections:
            sections[header]["ciphersuites"] = "TLS_AES_128_GCM_SHA256"
    relay = culvert(sections)
    context = client_context(version=TLS13) if sides == "TC" else server_context(version=TLS13)
    context.keylog_filename = str(tmp_path / "keys")
    if sides == "TC":
        client = start_tls(connect(relay.address()), context)
        served = server.accept()
        source, destination, label = client, served, "CLIENT_TRAFFIC_SECRET_0"
    else:
        client = connect(relay.address())
        served = answer_tls(server.accept(), context)
        source, destination, label = served, client, "SERVER_TRAFFIC_SECRET_0"
    maker = RecordMaker(tmp_path / "keys", label)
    if sides == "TS":
        maker.number = 2  # OpenSSL's server has sent two session tickets with this key
    source.send_raw(maker.record(b""))
    source.send_raw(b"".join(maker.record(b"") for _ in range(10)))
    assert destination.is_silent()
    source.send_raw(maker.record(b"a") + maker.record(b"") + maker.record(b"b", padding=16000)
                    + maker.record(b"", padding=16384) + maker.record(pattern(16384)))
    destination.expect(b"ab" + pattern(16384))
    destination.send(b"and back")
    source.expect(b"and back")
    source.send_raw(maker.record(b"\x01\x00", kind=21))  # close_notify
    destination.expect_end(FIN)
    destination.fin()
    source.read_end()
    assert relay.record_of(client)["reason"] == "done"


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("sides", PLANES)
def test_ktls_auto(culvert, sides, version):
    """With the kernel's help or without it every byte and the end arrive, also behind an update of
    the peer's keys; the start says which it is (R30)."""
    plane, server = Plane(sides, version), Listener()
    sections = plane.sections(server)
    for name in [one for one in sections if one.startswith("tls ")]:
        sections[name]["ktls"] = "auto"
    relay = culvert(sections)
    told = relay.wait_record(lambda one: "ktls: " in str(one), 3, "what was found of kTLS")
    assert "not used: " in str(told) or "the kernel seals" in str(told), told
    client, served = plane.pair(relay, server)
    duplex(client, served, 1024 * 1024 + 7777)
    if version == TLS13:
        for source, destination in ((client, served), (served, client)):
            if hasattr(source, "update_key"):
                source.update_key(requested=True)
            exchange(source, destination)
    finish(relay, client, served)
