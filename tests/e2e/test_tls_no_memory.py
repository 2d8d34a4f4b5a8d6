# SPDX-License-Identifier: Apache-2.0
"""Any allocation of a TLS session may fail, ours and OpenSSL's: that session is refused or ends with
a reason, no wrong byte arrives, nothing crashes or is left over, the next session works (RX4)."""
import pytest

from harness.memory import FailingMalloc, needs_compiler
from harness.peer import FIN, EchoServer, Listener, connect
from harness.tls import (TC, TLS12, TLS13, TS, Plane, answer_tls, client_contexts, server_contexts,
                         start_tls)
from harness.wait import wait_until

pytestmark = [needs_compiler, pytest.mark.plain_build, pytest.mark.deadline(120)]
DATA = b"some bytes that come back"


def try_client(relay, version):
    """A session with TLS to the client: whether it worked to its end."""
    conn = connect(relay.address())
    try:
        client = start_tls(conn, client_contexts(version))
        client.send(DATA)
        client.expect(DATA)
        client.fin()
        client.expect_end(FIN)
        return True
    except (AssertionError, OSError):
        return False
    finally:
        conn.discard()


def try_server(relay, server, version):
    """A session with TLS to the server."""
    while not server.nobody_came(0):
        server.accept().discard()  # of an attempt that failed
    conn, served = connect(relay.address()), None
    try:
        conn.send(DATA)
        served, end = conn.outcome(server)
        if served is None:
            return False
        served = answer_tls(served, server_contexts(version))
        served.expect(DATA)
        served.fin()
        conn.expect_end(FIN)
        conn.fin()
        served.expect_end(FIN)
        return True
    except (AssertionError, OSError):
        return False
    finally:
        conn.discard()
        if served:
            served.discard()


def check_reasons(relay):
    """Want of memory is neither side's fault: no_resources. Few paths of OpenSSL turn it into
    something that nobody can tell from a fault of the peer's certificate."""
    accepted = relay.accepted_total()
    wait_until(lambda: len(relay.session_records()) == accepted, 5, f"{accepted} records")
    reasons = [one["reason"] for one in relay.session_records()]
    blamed = reasons.count("server_tls")
    assert reasons.count("no_resources") > 2 * blamed, reasons
    relay.wait_metric("culvert_connects_total", blamed, result="tls")


def run(culvert, tmp_path, sides, version, step):
    failing = FailingMalloc(str(tmp_path))
    plane = Plane(sides, version)
    server = EchoServer() if sides == TC else Listener()
    relay = culvert(plane.sections(server), env=failing.env())

    def attempt():
        if sides == TC:
            return try_client(relay, version)
        return try_server(relay, server, version)

    assert attempt()
    number, outcomes = 1, []
    while True:
        failing.arm(number)
        outcomes.append(attempt())
        count = failing.disarm()
        assert relay.alive(), f"allocation {number} killed the relay\n{relay.stderr_text()[-3000:]}"
        if count < number:
            break
        if number % (step * 10) == 1:
            assert attempt(), f"after allocation {number} failed"
        number += step
    assert attempt()
    assert outcomes[-1], "the attempt in which nothing failed must work"
    assert number > 50 and not all(outcomes), f"only {number} allocations: is the library loaded?"
    relay.wait_idle()
    check_reasons(relay)


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("sides", [TC, TS])
def test_some_allocations_fail(culvert, tmp_path, sides, version):
    run(culvert, tmp_path, sides, version, 13)


@pytest.mark.soak
@pytest.mark.deadline(1800)
@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("sides", [TC, TS])
def test_every_allocation_fails(culvert, tmp_path, sides, version):
    run(culvert, tmp_path, sides, version, 1)
