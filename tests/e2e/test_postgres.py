# SPDX-License-Identifier: Apache-2.0
"""psql and PostgreSQL through the relay: queries, COPY in and out in bulk, an idle transaction, a
query cancelled through a connection of its own."""
import os
import subprocess

import pytest

from harness import programs
from harness.culvert import relay_to
from harness.peer import parse_address
from harness.wait import SLOW, wait_until

pytestmark = [pytest.mark.programs, pytest.mark.deadline(90),
              programs.needs("psql", "initdb", "postgres"),
              pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become postgres")]


@pytest.fixture
def postgres():
    with programs.postgres() as (address, _):
        yield address


def test_postgres(culvert, postgres):
    relay = culvert(relay_to(postgres), workers=2)
    port = str(parse_address(relay.address())[1][1])
    options = ["-h", "127.0.0.1", "-p", port, "-U", "postgres", "-X", "-q", "-A", "-t", "-v",
               "ON_ERROR_STOP=1"]

    def psql(*words, **more):
        return programs.run("psql", *options, *words, **more)

    assert psql("-c", "select 6 * 7") == "42\n"
    psql("-c", "create table t (i int, s text)")
    rows = "".join(f"{number}\t{'x' * 50}{number}\n" for number in range(100_000))
    psql("-c", "copy t from stdin", input=rows)
    assert psql("-c", "select count(*), sum(i) from t") == "100000|4999950000\n"
    assert psql("-c", "copy (select * from t order by i) to stdout") == rows
    # The cancel request comes through a second connection and must reach the server.
    process = subprocess.Popen([programs.find("psql"), *options, "-c", "select pg_sleep(60)"],
                               stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: "1" in psql("-c", "select count(*) from pg_stat_activity where query like "
                                             "'select pg_sleep%' and state = 'active'"), 10,
                   "the query to run")
        process.send_signal(2)
        _, errors = process.communicate(timeout=30 * SLOW)
        assert "canceling statement" in errors
    finally:
        process.kill()
        process.wait()
    records = relay.session_records()
    assert {one["reason"] for one in records} <= {"done", "client_reset"}
