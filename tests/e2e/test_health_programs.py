# SPDX-License-Identifier: Apache-2.0
"""Checks of real servers: PostgreSQL with and without TLS, Redis, MariaDB and nginx are well, leave
no complaint in the servers' logs, and are found down when they stop."""
import os

import pytest

from harness import certificates, programs
from harness.culvert import relay_to
from harness.wait import duration, span, wait_until

pytestmark = [pytest.mark.programs, pytest.mark.deadline(90)]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")


def check(culvert, server, **health):
    """A relay whose one server `it` is checked like this."""
    interval = duration(span(0.8))
    return culvert(relay_to([f"it {server}"], pool={"health": "up"}, **{"health up": {
        "interval": interval, "timeout": interval, "fall": 25, **health}}))


def results(relay):
    return next(one for one in relay.get_json("/api/v1/health")["health"])


def wait_good(relay, count=3):
    wait_until(lambda: results(relay)["results"]["ok"] >= count, 20,
               lambda: f"{count} good checks: {results(relay)}")


def wait_bad(relay, result):
    wait_until(lambda: results(relay)["result"] == result, 20,
               lambda: f"a check that is {result}: {results(relay)}")


def ready_log(path):
    """What the server has written, once it is ready."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return text if "ready to accept connections" in text else None


@programs.needs("initdb", "postgres")
@needs_root
@pytest.mark.parametrize("with_tls", [False, True])
def test_postgres(culvert, with_tls):
    identity = certificates.server_identity() if with_tls else None
    with programs.postgres(identity) as (path, address):
        folder = os.path.dirname(path[len("unix:"):])
        before = wait_until(lambda: ready_log(f"{folder}/log"), 20, "PostgreSQL to be ready")
        relay = check(culvert, address or path, type="postgres")
        wait_good(relay)
        with open(f"{folder}/log", encoding="utf-8") as file:
            assert file.read() == before, "the checks have left something in the server's log"
    wait_bad(relay, "refused" if with_tls else "unreachable")


@programs.needs("redis-server")
def test_redis(culvert, tmp_path):
    with programs.redis(tmp_path) as server:
        relay = check(culvert, server, type="redis")
        wait_good(relay)
        programs.run("redis-cli", "-s", server[len("unix:"):], "CONFIG", "SET", "requirepass", "x")
        count = results(relay)["results"]["ok"]
        wait_good(relay, count + 2)
        assert results(relay)["result"] == "ok"
    wait_bad(relay, "unreachable")


@programs.needs("mariadbd", "mariadb-install-db", "mariadb")
@needs_root
def test_mariadb(culvert, tmp_path):
    with programs.mariadb(tmp_path) as path:
        log = tmp_path / "mariadb.log"
        wait_until(lambda: "ready for connections" in log.read_text(), 20, "MariaDB to be ready")
        # By default it warns of every connection that ends before a login, however it ends.
        programs.run("mariadb", "-S", path, "-e", "set global log_warnings = 1")
        before = log.read_text()
        relay = check(culvert, f"unix:{path}", type="mysql")
        wait_good(relay)
        assert log.read_text() == before, "the checks have left something in the server's log"
    wait_bad(relay, "unreachable")


@programs.needs("nginx")
def test_nginx(culvert, tmp_path):
    locations = "location = /busy { return 503; }"
    with programs.nginx_http(tmp_path, locations=locations) as path:
        good = check(culvert, f"unix:{path}", type="http", path="/hello", status="200")
        busy = check(culvert, f"unix:{path}", type="http", path="/busy")
        listed = check(culvert, f"unix:{path}", type="http", path="/busy", status="200 500-503")
        wait_good(good)
        wait_good(listed)
        wait_bad(busy, "answer")
        assert results(busy)["cause"] == "status 503"
    wait_bad(good, "unreachable")


@programs.needs("openssl")
def test_tls(culvert, tmp_path):
    identity = certificates.server_identity()
    interval = duration(span(1))
    with programs.s_server(tmp_path, identity) as address:
        blind = culvert(relay_to([f"it {address}"], pool={"health": "tls"}))
        # The certificate is of an authority that this [tls] does not trust.
        strict = culvert(relay_to(
            [f"it {address}"], pool={"health": "up"}, **{
                "health up": {"type": "tls", "tls": "wary", "interval": interval, "timeout": interval},
                "tls wary": {"ca_file": certificates.other_authority().file}}))
        wait_good(blind, 1)
        wait_bad(strict, "tls")
        assert results(strict)["cause"].startswith("TLS: ")
