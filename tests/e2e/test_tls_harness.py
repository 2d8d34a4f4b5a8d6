# SPDX-License-Identifier: Apache-2.0
"""The scripted TLS ends themselves, with each other through a relay that passes them on: every end
that a TLS stream can have is told from the others, so what other tests see is what happened."""
import pytest

from harness.culvert import relay_to
from harness.peer import FIN, RST, Background, Listener, pair, stream, wait_acknowledged
from harness.tls import (BROKEN, NOTIFIED, NOTIFIED_RST, TLS12, TLS13, TRUNCATED, HandshakeFailed,
                         TlsConn, client_context, server_context)


def both_ends(culvert, version, piece=None):
    server = Listener()
    client, served = pair(culvert(relay_to(server)), server)
    client = TlsConn(client, client_context(version=version), name="server.test", piece=piece)
    served = TlsConn(served, server_context(version=version), server=True, piece=piece)
    answering = Background(served.handshake)
    client.handshake()
    answering.result()
    return client, served


@pytest.fixture(params=[TLS12, TLS13])
def version(request):
    return request.param


def test_every_end(culvert, version):
    client, served = both_ends(culvert, version)
    assert client.version == served.version == f"TLSv{version}"
    client.close_notify()
    served.expect_notify()
    served.send(b"behind the client's close_notify")
    client.expect(b"behind the client's close_notify")
    assert served.read_end(0.05)[1] == NOTIFIED
    client.cut()
    assert served.read_end()[1] == FIN
    served.cut()
    assert client.read_end() == (b"", TRUNCATED)

    client, served = both_ends(culvert, version)
    client.send(b"x")
    client.close_notify()
    wait_acknowledged(client)
    client.rst()
    assert served.read_end() == (b"x", NOTIFIED_RST)

    client, served = both_ends(culvert, version)
    client.rst()
    assert served.read_end() == (b"", RST)

    client, served = both_ends(culvert, version)
    client.send_raw(b"\x17\x03\x03\x00\x20" + b"?" * 32)
    assert served.read_end()[1] == BROKEN


def test_bulk_both_ways_and_key_updates(culvert):
    client, served = both_ends(culvert, TLS13)
    for seed in range(3):
        stream(client, served, 1 << 20, seed=seed)
        stream(served, client, 1 << 20, seed=seed)
        client.update_key(requested=True)
        served.update_key()


def test_cut_into_bytes(culvert, version):
    client, served = both_ends(culvert, version, piece=1)
    client.send(b"question")
    served.expect(b"question")
    served.fin()
    client.expect_end(FIN)


def test_refused_name(culvert):
    server = Listener()
    client, served = pair(culvert(relay_to(server)), server)
    answering = Background(lambda: TlsConn(served, server_context(), server=True).handshake())
    with pytest.raises(HandshakeFailed, match="CERTIFICATE_VERIFY_FAILED"):
        TlsConn(client, client_context(), name="other.test").handshake()
    with pytest.raises(HandshakeFailed, match="ALERT_BAD_CERTIFICATE"):
        answering.result()
