# SPDX-License-Identifier: Apache-2.0
"""Half-closed sessions with TLS to the client (TC), to the server (TS) and to both (TT), in TLS 1.2
and 1.3: a close_notify ends one direction, bytes go on in the other, and every end arrives as
close_notify and FIN on a TLS side and as FIN on a plain one (HC1-HC4, HC7)."""
import pytest

from harness.peer import FIN, Background, Listener, exchange, pattern, reading, stream
from harness.tls import PLANES, TLS12, TLS13, Plane, TlsConn
from harness.wait import Stopwatch, limit, wait_until

SIZE = 1 << 20


@pytest.fixture(params=[(sides, version) for version in (TLS12, TLS13) for sides in PLANES],
                ids=lambda one: f"{one[0]}-tls{one[1].replace('.', '')}")
def plane(request):
    return Plane(*request.param)


def notify(conn):
    """The end of the stream without the end of the connection, where there is such a thing."""
    if isinstance(conn, TlsConn):
        conn.close_notify()
    else:
        conn.fin()


def check_done(relay, client, first, upload, download, plane):
    record = relay.record_of(client)
    assert (record["reason"], record["first"], record["tls_error"]) == ("done", first, "")
    assert (record["upload_bytes"], record["download_bytes"]) == (upload, download)
    version = f"TLSv{plane.version}"
    assert record["tls"] == (version if plane.has_client() else "")
    assert record["server_tls"] == (version if plane.has_server() else "")


def half_close(culvert, plane, who, first, *moved):
    """`who` sends `first` and ends; what the other side streams then arrives whole, and its end."""
    server = Listener()
    relay = culvert(plane.sections(server))
    times = []
    for end in (notify, lambda conn: conn.fin()):
        client, served = plane.pair(relay, server)
        ender, other = (client, served) if who == "client" else (served, client)
        ender.send(first)
        end(ender)
        other.expect_end(FIN, first)
        wait_until(lambda: client.name in [one["client"] for one in relay.sessions("?phase=half_closed")], 3,
                   "phase half_closed")
        stream(other, ender, SIZE)
        other.fin()
        watch = Stopwatch()
        ender.expect_end(FIN)
        times.append(watch.seconds())
        check_done(relay, client, who, *moved, plane)
    assert min(times) < limit(0.1), times


def test_half_close_up(culvert, plane):
    half_close(culvert, plane, "client", b"req", 3, SIZE)


def test_half_close_down(culvert, plane):
    half_close(culvert, plane, "server", b"greeting", SIZE, 8)


def test_half_close_without_data(culvert, plane):
    """Not a byte before the first end, and only then some the other way."""
    server = Listener()
    relay = culvert(plane.sections(server))
    client, served = plane.pair(relay, server)
    notify(client)
    served.expect_end(FIN)
    served.send(b"late")
    client.expect(b"late")
    served.fin()
    client.expect_end(FIN)
    check_done(relay, client, "client", 0, 4, plane)


def test_both_end_at_once(culvert, plane):
    """Both ends stand behind data that is on its way."""
    server = Listener()
    relay = culvert(plane.sections(server))
    up, down = pattern(300_000, 1), pattern(300_000, 2)
    for _ in range(5):
        client, served = plane.pair(relay, server)
        exchange(client, served)
        with relay.frozen():
            client.send(up[:20_000])
            client.fin()
            served.send(down[:30_000])
            served.fin()
        served.expect_end(FIN, up[:20_000])
        client.expect_end(FIN, down[:30_000])
        assert relay.record_of(client)["reason"] == "done"


def test_end_behind_data_and_slow_reader(culvert, plane):
    """2 MiB and an end at once to a reader that takes its time, either way."""
    server = Listener()
    relay = culvert(plane.sections(server))
    data = pattern(2 * SIZE, 3)
    for direction in ("down", "up"):
        client, served = plane.pair(relay, server, rcvbuf=32768 if direction == "down" else None)
        sender, reader = (served, client) if direction == "down" else (client, served)
        sending = Background(lambda: (sender.send(data, 30), sender.fin()))
        got = bytearray()
        while len(got) < len(data):
            piece = reader.read_some(16384, 20)
            assert piece, f"ended after {len(got)}"
            got += piece
        assert got == data
        sending.result()
        reader.expect_end(FIN)
        at_sender = reading(sender)
        reader.fin()
        assert at_sender.result() == (b"", FIN)
        assert relay.record_of(client)["reason"] == "done"


def test_data_behind_close_notify(culvert, plane):
    """Raw bytes behind a close_notify are dropped; the other direction lives on, and no reset
    overtakes its last bytes (HC10)."""
    server = Listener()
    relay = culvert(plane.sections(server))
    ends = []
    if plane.has_client():
        ends.append("client")
    if plane.has_server():
        ends.append("server")
    for who in ends:
        for junk in (b"not TLS at all" * 100, b"\x17\x03\x03\x00\x20" + bytes(32)):
            client, served = plane.pair(relay, server)
            talker, other = (client, served) if who == "client" else (served, client)
            talker.send(b"last")
            talker.close_notify()
            talker.send_raw(junk)
            other.expect_end(FIN, b"last")
            data = pattern(200_000, 5)
            other.send(data)
            talker.expect(data)
            talker.send_raw(junk)
            other.fin()
            talker.expect_notify()
            talker.cut()
            record = relay.record_of(client)
            assert (record["reason"], record["first"]) == ("done", who)
            sent = record["upload_bytes" if who == "client" else "download_bytes"]
            assert sent == 4
