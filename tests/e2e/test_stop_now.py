# SPDX-License-Identifier: Apache-2.0
"""QUIT, or a second TERM or INT: all sessions are reset and the process is gone within a second,
with exit code 0 (OP10)."""
import signal

import pytest

from harness.culvert import relay_to
from harness.peer import RST, Listener, exchange, pair
from harness.wait import Stopwatch, limit, wait_until


@pytest.mark.parametrize("numbers", [
    (signal.SIGQUIT,), (signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT),
    (signal.SIGTERM, signal.SIGQUIT)], ids=lambda numbers: "+".join(one.name for one in numbers))
def test_stop_now(culvert, numbers):
    server = Listener()
    relay = culvert(relay_to(server, culvert={"drain_timeout": "1m"}), workers=2)
    live = [pair(relay, server) for _ in range(20)]
    for client, served in live:
        exchange(client, served)
    if len(numbers) == 2:
        relay.send_signal(numbers[0])
        wait_until(lambda: relay.get("/readyz")[0] == 503, 3, "/readyz to say no")
        exchange(*live[0])
    watch = Stopwatch()
    relay.send_signal(numbers[-1])
    assert relay.wait_exit() == 0
    assert watch.seconds() < limit(1)
    for client, served in live:
        client.expect_end(RST)
        served.expect_end(RST)
    assert [one["reason"] for one in relay.session_records()] == ["drained"] * 20


def test_hup_and_usr1_do_not_kill(culvert):
    server = Listener()
    relay = culvert(relay_to(server))
    client, served = pair(relay, server)
    exchange(client, served)
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        relay.send_signal(number)
        exchange(client, served)
        assert relay.get("/healthz")[0] == 200
