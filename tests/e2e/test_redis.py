# SPDX-License-Identifier: Apache-2.0
"""redis-cli and redis-benchmark through the relay: commands, large values, pipelines, a subscriber."""
import subprocess

import pytest

from harness import programs
from harness.culvert import relay_to
from harness.peer import parse_address
from harness.wait import wait_until

pytestmark = [pytest.mark.programs, programs.needs("redis-server", "redis-cli", "redis-benchmark")]


def test_redis(culvert, tmp_path):
    with programs.redis(tmp_path) as server:
        relay = culvert(relay_to(server), workers=2)
        port = str(parse_address(relay.address())[1][1])

        def cli(*words, **more):
            return programs.run("redis-cli", "-p", port, *words, **more)

        assert cli("PING") == "PONG\n"
        assert cli("SET", "key", "value") == "OK\n"
        assert cli("GET", "key") == "value\n"
        large = "x" * 5_000_000
        assert cli("-x", "SET", "large", input=large) == "OK\n"
        assert cli("GET", "large") == large + "\n"
        programs.run("redis-benchmark", "-p", port, "-n", "4000", "-c", "50", "-P", "16", "-q",
                     "-t", "ping,set,get,lpush,lrange_100")
        subscriber = subprocess.Popen([programs.find("redis-cli"), "-p", port, "SUBSCRIBE", "news"],
                                      stdout=subprocess.PIPE, text=True)
        try:
            assert subscriber.stdout.readline() == "subscribe\n"
            assert cli("PUBLISH", "news", "hello") == "1\n"
            words = [subscriber.stdout.readline() for _ in range(5)]
            assert words[-1] == "hello\n"
        finally:
            subscriber.kill()
            subscriber.wait()
            subscriber.stdout.close()
        wait_until(lambda: relay.sessions_total() == 0, 5, "the sessions to end")
        reasons = {one["reason"] for one in relay.session_records()}
        # redis-benchmark and a killed subscriber may leave bytes unread: then it is a reset.
        assert reasons <= {"done", "client_reset"}
