# SPDX-License-Identifier: Apache-2.0
"""The matrix of test_rst_matrix.py where one side or both speak TLS: a reset is a reset there and
no close_notify comes before it, an end of stream is close_notify and FIN."""
import pytest

import test_rst_matrix as plain
from harness.peer import FIN, RST, Listener, exchange, wait_acknowledged
from harness.tls import BROKEN, NOTIFIED_RST, PLANES, TLS12, TLS13, Plane, TlsConn
from harness.wait import wait_until

ROWS = [row for row in plain.ROWS if row is not plain.urgent_byte]


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("sides", PLANES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_rst_matrix_tls(culvert, row, sides, version):
    plane, server = Plane(sides, version), Listener()
    relay = culvert(plane.sections(server))
    for size in (0, 1000, 1 << 20):
        client, served = plane.pair(relay, server)
        exchange(client, served)
        reason = row(client, served, size)
        assert relay.record_of(client)["reason"] == reason, size
    wait_until(lambda: relay.sessions_total() == 0, 2, "the sessions to be over")


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("sides", PLANES)
def test_close_notify_then_reset(culvert, sides, version):
    """The stream of the one who resets was complete: the other side gets its end, then a reset."""
    plane, server = Plane(sides, version), Listener()
    relay = culvert(plane.sections(server))
    for who in ("client", "server"):
        client, served = plane.pair(relay, server)
        exchange(client, served)
        breaker, other = (client, served) if who == "client" else (served, client)
        if not isinstance(breaker, TlsConn):
            continue
        breaker.send(b"complete")
        breaker.close_notify()
        wait_acknowledged(breaker)
        if isinstance(other, TlsConn):
            other.expect_notify(b"complete")
        else:
            other.expect(b"complete")
            assert other.read_some() == b""
        breaker.rst()
        if isinstance(other, TlsConn):
            assert other.read_end() in ((b"", NOTIFIED_RST), (b"", FIN))
        other.wait_reset()
        assert relay.record_of(client)["reason"] == ("client_reset" if who == "client" else "done")


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("sides", PLANES)
def test_junk_is_a_reset(culvert, sides, version):
    """A record that does not decrypt: what came before it arrives, then a reset; the reason and
    OpenSSL's text say which side it was."""
    plane, server = Plane(sides, version), Listener()
    relay = culvert(plane.sections(server))
    for who in ("client", "server"):
        client, served = plane.pair(relay, server)
        exchange(client, served)
        talker, other = (client, served) if who == "client" else (served, client)
        if not isinstance(talker, TlsConn):
            continue
        talker.send(b"fine")
        talker.send_raw(b"\x17\x03\x03\x00\x28" + b"?" * 40)
        other.expect_end(RST, b"fine")
        assert talker.read_end()[1] in (RST, BROKEN)
        record = relay.record_of(client)
        assert (record["reason"], record["first"]) == (f"{who}_tls", who)
        assert "bad record mac" in record["tls_error"].lower() or \
            "decryption failed" in record["tls_error"].lower(), record["tls_error"]
        # The next session of the same worker does not inherit the error.
        client, served = plane.pair(relay, server)
        exchange(client, served)
        client.fin()
        served.expect_end(FIN)
        served.fin()
        client.expect_end(FIN)
        assert relay.record_of(client)["reason"] == "done"
