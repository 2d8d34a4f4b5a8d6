# SPDX-License-Identifier: Apache-2.0
"""Ten gigabytes one way (256 MB in the fast suite): every byte in its place, and the relay's memory
does not grow by it (BX5)."""
import pytest

from harness.culvert import relay_to
from harness.peer import FIN, Listener, exchange, pair, stream


def run(culvert, splice_key, size, seconds):
    server = Listener()
    relay = culvert(relay_to(server, defaults={"splice": splice_key}))
    client, served = pair(relay, server)
    exchange(client, served)
    stream(client, served, 8 << 20)
    before = relay.ledger()
    stream(client, served, size, seed=2, seconds=seconds)
    grown = relay.ledger().rss_kb - before.rss_kb
    client.fin()
    served.expect_end(FIN)
    served.close()
    client.expect_end(FIN)
    record = relay.record_of(client)
    assert record["upload_bytes"] == size + (8 << 20) + 1
    assert grown <= 256, f"{grown} kB more after {size} bytes"


@pytest.mark.plain_build
def test_bulk(culvert, splice_key):
    run(culvert, splice_key, 256 << 20, 40)


@pytest.mark.soak
@pytest.mark.deadline(600)
def test_bulk_10_gb(culvert, splice_key):
    run(culvert, splice_key, 10 << 30, 500)
