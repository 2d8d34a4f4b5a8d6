# SPDX-License-Identifier: Apache-2.0
"""psql and PostgreSQL with TLS: routed by the name that psql asks for and not decrypted, terminated
before a plain server, terminated and encrypted again. Queries, COPY both ways in bulk; the modes
`require` and `verify-full`; who comes without TLS reads why that does not work."""
import os

import pytest

from harness import programs
from harness.certificates import authority, server_identity
from harness.culvert import relay_to
from harness.peer import parse_address

pytestmark = [pytest.mark.programs, pytest.mark.deadline(90),
              programs.needs("psql", "initdb", "postgres"),
              pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become postgres")]

ROWS = "".join(f"{number}\t{'x' * 50}{number}\n" for number in range(20_000))
HOW_IT_CAME = "select ssl, coalesce(version, '') from pg_stat_ssl where pid = pg_backend_pid()"


@pytest.fixture(scope="module")
def postgres():
    with programs.postgres(server_identity()) as addresses:
        yield addresses


def psql(relay, *words, mode="verify-full", host="server.test", **more):
    port = parse_address(relay.address())[1][1]
    return programs.run(
        "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d",
        f"host={host} hostaddr=127.0.0.1 port={port} user=postgres dbname=postgres sslmode={mode} "
        f"sslrootcert={authority().file}", *words, **more)


def check_bulk(relay):
    psql(relay, "-c", "drop table if exists t", "-c", "create table t (i int, s text)")
    psql(relay, "-c", "copy t from stdin", input=ROWS)
    assert psql(relay, "-c", "select count(*) from t") == "20000\n"
    assert psql(relay, "-c", "copy (select * from t order by i) to stdout") == ROWS


def check_records(relay, *more, **want):
    records = relay.session_records()
    assert records
    for record in records:
        assert record["reason"] in ("done", "client_reset", *more), record
        for key, value in want.items():
            assert record[key] == value, (key, record)


def test_routed_by_name(culvert, postgres):
    """Nothing is decrypted: the server sees TLS from psql itself."""
    whole = {"listen main": {"bind": "127.0.0.1:0", "starttls": "postgres"},
             "pool pg": {"server": postgres[1]},
             "route pg": {"listen": "main", "sni": "server.test", "pool": "pg"}}
    relay = culvert(whole)
    for mode in ("require", "verify-full"):
        assert psql(relay, "-c", HOW_IT_CAME, mode=mode) == "t|TLSv1.3\n"
    check_bulk(relay)
    # PostgreSQL closes with psql's close_notify unread, which is a reset.
    check_records(relay, "server_reset", sni="server.test", tls="", server_tls="", route="pg")
    with pytest.raises(AssertionError, match="psql"):
        psql(relay, "-c", "select 1", mode="require", host="other.test")
    relay.wait_record(lambda one: one.get("reason") == "no_route", 5, "a record of no_route")


def test_terminated(culvert, postgres):
    relay = culvert(relay_to(postgres[0], listen={"tls": "in", "starttls": "postgres"},
                             **{"tls in": {"cert": server_identity().pem}}))
    for mode in ("require", "verify-full", "prefer"):
        assert psql(relay, "-c", HOW_IT_CAME, mode=mode) == "f|\n"
    check_bulk(relay)
    check_records(relay, sni="server.test", tls="TLSv1.3", server_tls="")
    with pytest.raises(AssertionError, match="(?i)tls|ssl"):
        psql(relay, "-c", "select 1", mode="disable")
    relay.wait_record(lambda one: one.get("reason") == "client_tls", 5, "a record of client_tls")


def test_terminated_and_encrypted_again(culvert, postgres):
    relay = culvert(relay_to(
        postgres[1], listen={"tls": "in", "starttls": "postgres"}, pool={"tls": "out"}, **{
            "tls in": {"cert": server_identity().pem},
            "tls out": {"ca_file": authority().file, "server_name": "server.test"}}))
    assert psql(relay, "-c", HOW_IT_CAME) == "t|TLSv1.3\n"
    check_bulk(relay)
    check_records(relay, sni="server.test", tls="TLSv1.3", server_tls="TLSv1.3")
