# SPDX-License-Identifier: Apache-2.0
"""Servers by name: the pool follows what the DNS says, and outlives what it fails to say (DN1-DN4)."""
import time

import pytest
from harness.culvert import run_culvert
from harness.dns import AAAA, A, Dnsmasq, ScriptedDns
from harness.peer import FIN, RST, Listener, connect
from harness.programs import needs
from harness.wait import SLOW, limit, stays_true, wait_until

# Soon, so that no test waits long: a TTL counts as 200 ms at least. A server that answers has its time to do so; where one
# does not, tests wait for SHORT.
SHORT = "700ms"
SOON = {"timeout": "10s", "attempts": 1, "min_ttl": "200ms", "failure_retry": "200ms", "search": False}


def sections(dns, server, pool=None, **more):
    return {"dns": {"servers": dns.address, **SOON, **more},
            "listen main": {"bind": "127.0.0.1:0", "pool": "p"},
            "pool p": {"server": server, **(pool or {})}}


def servers(relay):
    pools = relay.get_json("/api/v1/pools")["pools"]
    return {one["name"]: one for one in pools[0]["servers"]}


def names(relay):
    return {one["name"]: one for one in relay.get_json("/api/v1/dns")["dns"]}


def wait_servers(relay, wanted):
    wait_until(lambda: set(servers(relay)) == set(wanted), 15, lambda: f"{wanted}; now {set(servers(relay))}")


def wait_state(relay, name, state):
    wait_until(lambda: names(relay)[name]["state"] == state, 15, lambda: f"{state}: {names(relay)[name]}")


def echo(relay, server, data=b"hello"):
    client = connect(relay.address("main"))
    conn = server.accept()
    client.send(data)
    conn.expect(data)
    return client, conn


def test_sessions_stay_when_the_address_changes(culvert):
    """DN1"""
    first = Listener(host="127.0.0.1")
    second = Listener(host="127.0.0.2", port=first.port)
    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1"]
        relay = culvert(sections(dns, f"db db.test:{first.port}"))
        wait_servers(relay, [f"db@127.0.0.1:{first.port}"])
        old = [echo(relay, first) for _ in range(20)]
        dns.a["db.test"] = ["127.0.0.2"]
        wait_until(lambda: f"db@127.0.0.2:{first.port}" in servers(relay), 15, "the new address")
        wait_until(lambda: servers(relay)[f"db@127.0.0.1:{first.port}"]["state"] == "down", 15, "the old one to be out")
        new = echo(relay, second)
        assert first.nobody_came()
        for client, conn in [*old, new]:
            conn.send(b"still here")
            client.expect(b"still here")
            client.fin()
            conn.expect_end(FIN)
            conn.fin()
            client.expect_end(FIN)
        # Without sessions it is not shown any more.
        wait_servers(relay, [f"db@127.0.0.2:{first.port}"])
        relay.wait_record(lambda one: one.get("event") == "dns_answer" and one.get("removed") == 1, 5, "the change in the log")
        relay.wait_record(lambda one: one.get("event") == "server_state" and one.get("to") == "up", 5, "the new server's state")
        relay.wait_metric("culvert_server_transitions_total", 1, to="up", cause="dns")


def assert_told_once(relay, result):
    """The log has one line for each change of state: where an answer may come too late on a slow machine, for each of them."""
    told = [one for one in relay.records() if one.get("event") in ("dns_failed", "dns_recovered")]
    assert [one["event"] for one in told] == ["dns_failed", "dns_recovered"] * (len(told) // 2), told
    assert {one["result"] for one in told[::2]} == {result}
    assert result == "timeout" or len(told) == 2, told


@pytest.mark.parametrize("mood, result", [
    ("servfail", "servfail"), ("refused", "refused"), ("notimp", "notimp"), ("formerr", "formerr"), ("nxdomain", "nxdomain"),
    ("empty", "nodata"), ("silent", "timeout"), ("garbage", "bad_answer"), ("wrong_id", "timeout"), ("loop", "nodata")])
def test_last_good_answer_outlives_bad_ones(culvert, mood, result):
    """DN2: and the log says so once, however often it is retried."""
    server = Listener(host="127.0.0.1")
    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1"]
        timeout = SHORT if result == "timeout" else SOON["timeout"]
        relay = culvert(sections(dns, f"db db.test:{server.port}", timeout=timeout))
        wait_servers(relay, [f"db@127.0.0.1:{server.port}"])
        dns.mood = mood
        wait_state(relay, "db.test", "stale")
        wait_until(lambda: names(relay)["db.test"]["lookups"].get(result, 0) >= 2, 20, f"two look-ups to end as {result}")
        client, conn = echo(relay, server)
        client.discard()
        conn.discard()
        dns.mood = "good"
        wait_state(relay, "db.test", "ok")
        relay.wait_record(lambda one: one.get("event") == "dns_recovered", 5, "the recovery in the log")
        assert_told_once(relay, result)
        metrics = relay.metrics()
        assert metrics.value("culvert_dns_lookups_total", result=result) >= 2
        assert metrics.value("culvert_dns_servers") == 1
        assert 'culvert_dns_answer_age_seconds{name="db.test"}' in metrics.text


def test_unreachable_dns_is_told_as_that(culvert):
    relay = culvert({"dns": {"servers": "127.0.0.1:1", **SOON, "timeout": "2s"}, "listen main": {"bind": "127.0.0.1:0", "server": "db.test:80"}})
    wait_state(relay, "db.test", "failed")
    assert names(relay)["db.test"]["result"] == "unreachable"
    record = relay.wait_record(lambda one: one.get("event") == "dns_failed", 5, "the failure in the log")
    assert record["result"] == "unreachable"
    assert relay.metric("culvert_dns_lookups_total", result="unreachable") >= 1


@pytest.mark.parametrize("kind, mood", [(A, "servfail"), (A, "silent"), (AAAA, "refused"), (AAAA, "silent")])
def test_one_family_outlives_its_failing_questions(culvert, kind, mood):
    """The other question is answered, which says nothing of this one."""
    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1"]
        dns.aaaa["db.test"] = ["::1"]
        relay = culvert(sections(dns, "db db.test:80", timeout=SHORT if mood == "silent" else SOON["timeout"]))
        both = ["db@127.0.0.1:80", "db@[::1]:80"]
        wait_servers(relay, both)
        dns.failing[kind] = mood
        wait_state(relay, "db.test", "stale")
        result = {"silent": "timeout"}.get(mood, mood)
        wait_until(lambda: names(relay)["db.test"]["lookups"].get(result, 0) >= 3, 30, f"three look-ups to end as {result}")
        assert set(servers(relay)) == set(both)
        record = relay.wait_record(lambda one: one.get("event") == "dns_failed", 5, "the failure in the log")
        word = "IPv4" if kind == A else "IPv6"
        assert mood == "silent" or record["effect"] == f"the last {word} addresses are kept"
        # The other family goes on following the answers.
        if kind == A:
            dns.aaaa["db.test"] = ["::2"]
            wait_servers(relay, ["db@127.0.0.1:80", "db@[::2]:80"])
        else:
            dns.a["db.test"] = ["127.0.0.2"]
            wait_servers(relay, ["db@127.0.0.2:80", "db@[::1]:80"])
        dns.failing.clear()
        wait_state(relay, "db.test", "ok")
        relay.wait_record(lambda one: one.get("event") == "dns_recovered", 5, "the recovery in the log")
        assert_told_once(relay, result)


@pytest.mark.parametrize("kind, mood", [(A, "nxdomain"), (A, "empty"), (AAAA, "empty")])
def test_one_family_that_is_gone_leaves_at_once(culvert, kind, mood):
    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1"]
        dns.aaaa["db.test"] = ["::1"]
        relay = culvert(sections(dns, "db db.test:80"))
        wait_servers(relay, ["db@127.0.0.1:80", "db@[::1]:80"])
        dns.failing[kind] = mood
        wait_servers(relay, ["db@[::1]:80" if kind == A else "db@127.0.0.1:80"])
        assert names(relay)["db.test"]["state"] == "ok"
        assert not [one for one in relay.records() if one.get("event") == "dns_failed"]


def test_stale_counts_for_each_family(culvert):
    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1"]
        dns.aaaa["db.test"] = ["::1"]
        relay = culvert(sections(dns, "db db.test:80", stale="1s"))
        wait_servers(relay, ["db@127.0.0.1:80", "db@[::1]:80"])
        dns.failing[AAAA] = "servfail"
        wait_servers(relay, ["db@127.0.0.1:80"])
        record = relay.wait_record(lambda one: one.get("event") == "dns_expired", 5, "the end of the family in the log")
        assert record["effect"] == "the last IPv6 addresses are gone"
        assert names(relay)["db.test"]["state"] == "ok"


def test_truncated_answers_and_200_addresses_come_by_tcp(culvert):
    with ScriptedDns() as dns:
        dns.mood = "truncated"
        dns.a["db.test"] = ["127.0.0.1"]
        dns.a["many.test"] = [f"127.0.1.{i}" for i in range(1, 201)]
        relay = culvert(sections(dns, ["db db.test:80", "many many.test:80"]))
        wait_until(lambda: len(servers(relay)) == 201, 15, "all servers")
        assert dns.tcp_questions >= 2


def test_ttl_0_is_no_hurry(culvert):
    """A TTL of 0 counts as min_ttl."""
    with ScriptedDns() as dns:
        dns.ttl = 0
        dns.a["db.test"] = ["127.0.0.1"]
        relay = culvert(sections(dns, "db db.test:80", min_ttl="1s"))
        wait_servers(relay, ["db@127.0.0.1:80"])
        began = time.monotonic()
        before = len(dns.questions)
        time.sleep(2.2)
        asked = len(dns.questions) - before
        # Two questions (A and AAAA) per second at most, and two that were due just then.
        assert asked <= 2 * (time.monotonic() - began) + 2


def test_unresolved_at_the_start(culvert):
    """DN4: sessions end as dns_failed until the name resolves."""
    server = Listener(host="127.0.0.1")
    with ScriptedDns() as dns:
        relay = culvert(sections(dns, f"db db.test:{server.port}"))
        assert servers(relay) == {}
        client = connect(relay.address("main"))
        client.expect_end(RST)
        relay.wait_record(lambda one: one.get("reason") == "dns_failed", 5, "the session's record")
        wait_state(relay, "db.test", "failed")
        dns.a["db.test"] = ["127.0.0.1"]
        wait_state(relay, "db.test", "ok")
        wait_servers(relay, [f"db@127.0.0.1:{server.port}"])
        client, conn = echo(relay, server)
        client.discard()
        conn.discard()


def test_stale_ends_in_time(culvert):
    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1"]
        relay = culvert(sections(dns, "db db.test:80", stale="1s"))
        wait_servers(relay, ["db@127.0.0.1:80"])
        dns.mood = "servfail"
        wait_servers(relay, [])
        relay.wait_record(lambda one: one.get("event") == "dns_expired", 5, "the end of the answer in the log")


def test_too_few_servers_are_ignored(culvert):
    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        relay = culvert(sections(dns, "db db.test:80", pool={"discovery_min": 2}))
        wait_until(lambda: len(servers(relay)) == 3, 15, "three servers")
        dns.a["db.test"] = ["127.0.0.1"]
        relay.wait_record(lambda one: one.get("event") == "dns_too_few", 15, "the refusal in the log")
        assert len(servers(relay)) == 3
        dns.a["db.test"] = ["127.0.0.4", "127.0.0.5"]
        wait_servers(relay, ["db@127.0.0.4:80", "db@127.0.0.5:80"])


def test_failed_connect_looks_again_at_once(culvert):
    """The answer would hold for a minute; the server has moved."""
    first = Listener(host="127.0.0.1")
    port = first.port
    second = Listener(host="127.0.0.2", port=port)
    with ScriptedDns() as dns:
        dns.ttl = 60
        dns.a["db.test"] = ["127.0.0.1"]
        relay = culvert(sections(dns, f"db db.test:{port}"))
        wait_servers(relay, [f"db@127.0.0.1:{port}"])
        first.close()
        dns.a["db.test"] = ["127.0.0.2"]
        stays_true(lambda: list(servers(relay)) == [f"db@127.0.0.1:{port}"], 1, "the old server alone")
        connect(relay.address("main")).expect_end(RST)
        wait_servers(relay, [f"db@127.0.0.2:{port}"])
        client, conn = echo(relay, second)
        client.discard()
        conn.discard()


@pytest.mark.parametrize("mood", ["servfail", "garbage", "loop", "silent"])
def test_broken_dns_costs_no_processor_time(culvert, mood):
    """DN2: less than a hundredth of a processor, measured as processor time, with retries far closer than the default's."""
    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1"]
        relay = culvert(sections(dns, "db db.test:80", timeout=SHORT))
        wait_servers(relay, ["db@127.0.0.1:80"])
        dns.mood = mood
        began, used = time.monotonic(), relay.cpu_s()
        before = len(dns.questions)
        wait_until(lambda: time.monotonic() - began > 3 and len(dns.questions) - before >= 6, 30, "questions for three seconds")
        used, passed = relay.cpu_s() - used, time.monotonic() - began
        assert used < 0.01 * SLOW * passed, f"{used:.3f} s of processor time in {passed:.1f} s"


def test_server_that_joins_begins_as_its_checks_say(culvert):
    """initial = down: the log does not call it up before a check does."""
    first, second = Listener(host="127.0.0.1"), Listener(host="127.0.0.2", listening=False)
    port = first.port
    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1"]
        relay = culvert({**sections(dns, f"db db.test:{port}", pool={"health": "h"}),
                         "health h": {"type": "tcp", "initial": "down", "interval": "1s", "timeout": "1s", "down_interval": "1s"}})
        joined = f"db@127.0.0.2:{port}"
        wait_servers(relay, [f"db@127.0.0.1:{port}"])
        wait_until(lambda: servers(relay)[f"db@127.0.0.1:{port}"]["state"] == "up", 15, "the first server to be up")
        dns.a["db.test"].append("127.0.0.2")
        wait_until(lambda: joined in servers(relay), 15, "the second server")
        stays_true(lambda: servers(relay)[joined]["state"] == "down", 1.5, "a server that no check has found")
        assert not [one for one in relay.records() if one.get("event") == "server_state" and one.get("server") == joined]


def test_dead_dns_delays_no_session(culvert):
    """DN3: nobody waits for the DNS, neither sessions nor the control socket."""
    server = Listener(host="127.0.0.1")
    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1"]
        relay = culvert(sections(dns, [f"db db.test:{server.port}", "gone gone.test:80 backup"], timeout="1s"))
        wait_servers(relay, [f"db@127.0.0.1:{server.port}"])
        dns.mood = "silent"
        wait_until(lambda: len(dns.questions) > 6, 15, "questions that nobody answers")
        times = []
        for _ in range(100):
            start = time.monotonic()
            client, conn = echo(relay, server)
            times.append(time.monotonic() - start)
            client.discard()
            conn.discard()
        assert sorted(times)[50] < limit(0.05), sorted(times)[-5:]
        assert max(times) < limit(3), sorted(times)[-5:]
        dns.mood = "good"  # questions that wait hold a socket


def test_checking_a_configuration_asks_nobody(culvert):
    with ScriptedDns() as dns:
        dns.mood = "silent"
        text = f"[dns]\nservers = {dns.address}\n[listen a]\nbind = 127.0.0.1:0\nserver = db.test:80 srv:_a._tcp.b.test\n"
        done = run_culvert("-t", "-c", "-", input=text)
        assert done.returncode == 0, done.stderr
        assert dns.questions == []


def test_on_remove_ends_sessions(culvert):
    """on_remove = reset: those of the server that left, with a reason; the others go on."""
    first = Listener(host="127.0.0.1")
    second = Listener(host="127.0.0.2", port=first.port)
    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1"]
        relay = culvert(sections(dns, f"db db.test:{first.port}", pool={"on_remove": "reset"}))
        wait_servers(relay, [f"db@127.0.0.1:{first.port}"])
        old = [echo(relay, first) for _ in range(5)]
        dns.a["db.test"] = ["127.0.0.2"]
        for client, conn in old:
            client.expect_end(RST)
            conn.discard()
        relay.wait_record(lambda one: one.get("reason") == "server_down", 5, "the sessions' reason")
        relay.wait_record(lambda one: one.get("event") == "server_state" and one.get("cause") == "dns", 5, "the server's")
        client, conn = echo(relay, second)
        client.discard()
        conn.discard()


@needs("dnsmasq")
def test_dnsmasq_addresses_and_srv_records(culvert, tmp_path):
    """A real DNS server: addresses, tiers by priority, ports and weights of SRV records, changes."""
    first = Listener(host="127.0.0.1")
    second = Listener(host="127.0.0.2", port=first.port)
    port = first.port
    dnsmasq = Dnsmasq(tmp_path, f"--srv-host=_pg._tcp.db.test,a.db.test,{port},10,60",
                      f"--srv-host=_pg._tcp.db.test,b.db.test,{port},20,5", "--local-ttl=1")
    dnsmasq.set_hosts({"a.db.test": ["127.0.0.1"], "b.db.test": ["127.0.0.2"]})
    with dnsmasq as dns:
        relay = culvert(sections(dns, "pg srv:_pg._tcp.db.test"))
        wait_servers(relay, [f"pg@127.0.0.1:{port}", f"pg@127.0.0.2:{port}"])
        assert servers(relay)[f"pg@127.0.0.1:{port}"]["weight"] == 60
        for _ in range(5):  # the lower priority alone
            client, conn = echo(relay, first)
            client.discard()
            conn.discard()
        assert second.nobody_came()
        dns.set_hosts({"b.db.test": ["127.0.0.2", "127.0.0.3"]})
        # a.db.test is gone, which counts as a failure: its server stays.
        wait_servers(relay, [f"pg@127.0.0.{i}:{port}" for i in (1, 2, 3)])
        dns.set_hosts({"a.db.test": ["127.0.0.4"], "b.db.test": ["127.0.0.2"]})
        wait_servers(relay, [f"pg@127.0.0.4:{port}", f"pg@127.0.0.2:{port}"])
