# SPDX-License-Identifier: Apache-2.0
"""A relay whose server is its own listener: refused as a configuration, or stopped by the limit, but
never a melt-down (CF6)."""
from harness.culvert import StartFailed, relay_to
from harness.peer import connect, unix_path
from harness.wait import wait_until


def test_relay_loop(culvert):
    path = unix_path()
    relay = culvert(relay_to(f"unix:{path}", listen={"bind": ["127.0.0.1:0", f"unix:{path}"]}),
                    limits={"max_connections": 50, "on_limit": "reset"}, wait_ready=False)
    try:
        relay.wait_ready()
    except StartFailed as failure:
        assert failure.code == 78
        relay.stopped_by_test = True
        return
    client = connect(relay.address())
    client.send(b"round and round")
    _, end = client.read_end(5)
    assert end in ("RST", "FIN")
    client.discard()
    wait_until(lambda: relay.sessions_total() == 0, 5, "the loop to be over")
    assert relay.get("/healthz")[0] == 200
