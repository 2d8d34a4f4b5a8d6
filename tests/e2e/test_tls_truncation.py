# SPDX-License-Identifier: Apache-2.0
"""A FIN without close_notify: `truncation = strict` (the default) makes it a reset for the other
side and the reason `tls_truncated`; `lenient` an end, but only between records. Bytes before it
arrive in any case. An abort is never vouched for by a close_notify (HC7, R12)."""
import pytest

from harness.peer import FIN, RST, Listener, exchange, pattern, wait_acknowledged
from harness.tls import BROKEN, PLANES, TLS12, TLS13, TRUNCATED, Plane

CASES = [(sides, version) for version in (TLS12, TLS13) for sides in PLANES]


def names(one):
    return f"{one[0]}-tls{one[1].replace('.', '')}"


def tls_sides(plane):
    return [who for who, has in (("client", plane.has_client()), ("server", plane.has_server()))
            if has]


def roles(who, client, served):
    return (client, served) if who == "client" else (served, client)


@pytest.mark.parametrize("case", CASES, ids=names)
def test_tls_truncation_strict(culvert, case):
    plane, server = Plane(*case), Listener()
    relay = culvert(plane.sections(server))
    for who in tls_sides(plane):
        for data in (b"", pattern(50_000)):
            client, served = plane.pair(relay, server)
            exchange(client, served)
            cutter, other = roles(who, client, served)
            cutter.send(data)
            cutter.cut()
            other.expect_end(RST, data)
            # Nobody tells the one who was cut off that all is well.
            assert cutter.read_end()[1] in (TRUNCATED, RST, BROKEN)
            record = relay.record_of(client)
            assert (record["reason"], record["first"]) == ("tls_truncated", who), record
    relay.wait_metric("culvert_sessions_closed_total", 2 * len(tls_sides(plane)), reason="tls_truncated")


@pytest.mark.parametrize("case", CASES, ids=names)
def test_tls_truncation_inside_a_record(culvert, case):
    """Half a record is lost, whatever the setting."""
    server = Listener()
    for truncation in ("strict", "lenient"):
        plane = Plane(*case, truncation=truncation)
        relay = culvert(plane.sections(server))
        for who in tls_sides(plane):
            client, served = plane.pair(relay, server)
            exchange(client, served)
            cutter, other = roles(who, client, served)
            cutter.send(b"whole")
            record = cutter.encrypt(b"cut into two")
            cutter.send_raw(record[:len(record) // 2])
            cutter.cut()
            other.expect_end(RST, b"whole")
            assert relay.record_of(client)["reason"] == "tls_truncated"


@pytest.mark.parametrize("case", CASES, ids=names)
def test_tls_truncation_lenient(culvert, case):
    plane, server = Plane(*case, truncation="lenient"), Listener()
    relay = culvert(plane.sections(server))
    for who in tls_sides(plane):
        client, served = plane.pair(relay, server)
        exchange(client, served)
        cutter, other = roles(who, client, served)
        cutter.send(b"all of it")
        cutter.cut()
        other.expect_end(FIN, b"all of it")
        other.send(b"an answer")
        other.fin()
        cutter.expect_end(FIN, b"an answer")
        record = relay.record_of(client)
        assert (record["reason"], record["first"]) == ("done", who)
        assert record["tls_error"] == f"the {who} ended without close_notify"


@pytest.mark.parametrize("case", CASES, ids=names)
def test_cut_with_data_in_one_wakeup(culvert, case):
    """Data, close_notify and FIN come at once, or data and FIN alone: only the first is an end."""
    plane, server = Plane(*case), Listener()
    relay = culvert(plane.sections(server))
    data = pattern(30_000)
    for who in tls_sides(plane):
        for is_clean in (True, False):
            client, served = plane.pair(relay, server)
            exchange(client, served)
            cutter, other = roles(who, client, served)
            with relay.frozen():
                cutter.send(data)
                if is_clean:
                    cutter.close_notify()
                cutter.cut()
                wait_acknowledged(cutter)
            other.expect_end(FIN if is_clean else RST, data)
            if is_clean:
                other.fin()
                cutter.expect_end(FIN)
            reason = relay.record_of(client)["reason"]
            assert reason == ("done" if is_clean else "tls_truncated")
