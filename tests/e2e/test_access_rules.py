# SPDX-License-Identifier: Apache-2.0
"""`allow` and `deny`: who may connect, what the others get (`deny_action`), and files of prefixes that
change while culvert runs. A refused client never reaches a server, is counted under `denied`, and has
a record."""
import os
import signal
import socket
import time

import pytest

from harness.culvert import StartFailed, relay_to, run_culvert
from harness.peer import FIN, RST, Listener, connect, exchange, pair
from harness.wait import duration, span, wait_until

TCP_REPAIR = 19  # linux/tcp.h

REJECTED = "culvert_connections_rejected_total"


@pytest.mark.parametrize("rules,is_served", [
    ({"deny": "127.0.0.0/8"}, False),
    ({"allow": "127.0.0.0/8", "deny": "127.0.0.1"}, False),
    ({"allow": "10.0.0.0/8 ::/0"}, False),
    ({"allow": "127.0.0.1", "deny": "127.0.0.2/31"}, True),
    ({"deny": "::/0"}, True),
], ids=["denied", "deny-wins", "not-allowed", "allowed", "other-family"])
def test_rules(culvert, rules, is_served):
    server = Listener()
    relay = culvert(relay_to(server, listen=rules))
    if is_served:
        client, served = pair(relay, server)
        exchange(client, served)
        assert relay.metric(REJECTED, reason="denied") == 0
        return
    client = connect(relay.address())
    client.expect_end(RST)
    record = relay.wait_record(lambda record: record.get("reason") == "denied")
    assert record["event"] == "session_end" and record["first"] == "culvert"
    assert record["client"] == client.name
    wait_until(lambda: relay.metric(REJECTED, reason="denied") == 1, 5, "the refusal to be counted")
    assert relay.metric(REJECTED, reason="limit") == 0
    assert relay.metric("culvert_connections_accepted_total") == 0
    assert server.nobody_came(0.1)
    wait_until(lambda: relay.sessions_total() == 0, 5, "the place to be free")


def test_mapped_clients_are_ipv4_clients(culvert):
    server = Listener()
    relay = culvert(relay_to(server, listen={"bind": "[::]:0", "deny": "127.0.0.1"}))
    port = relay.address().rsplit(":", 1)[1]
    client = connect(f"127.0.0.1:{port}")
    client.expect_end(RST)
    client = connect(f"[::1]:{port}")
    served = server.accept()
    exchange(client, served)


def test_close_is_an_end(culvert):
    server = Listener()
    relay = culvert(relay_to(server, listen={"deny": "127.0.0.0/8", "deny_action": "close"}))
    client = connect(relay.address())
    client.expect_end(FIN)


def dropping(culvert, timeout, **how):
    listen = {"deny": "127.0.0.0/8", "deny_action": "drop", "handshake_timeout": duration(timeout)}
    relay = culvert(relay_to(Listener(), listen=listen), **how)
    client = connect(relay.address())
    wait_until(lambda: relay.metric(REJECTED, reason="denied") == 1, 5, "the refusal to be counted")
    return relay, client


def may_repair():
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except PermissionError:
            return False
    return True


@pytest.mark.skipif(not may_repair(), reason="needs CAP_NET_ADMIN")
def test_drop_forgets_the_client(culvert):
    """With CAP_NET_ADMIN nothing is left of the connection, and nothing was sent."""
    relay, client = dropping(culvert, 1)
    wait_until(lambda: relay.sessions_total() == 0, 5, "the place to be free")
    assert client.is_silent(1.5)


def test_drop_holds_the_client(culvert):
    """Without it the connection is held, and counts, until handshake_timeout; then it is reset."""
    timeout = span(1.5)
    relay, client = dropping(culvert, timeout, user=60997)
    assert relay.sessions_total() == 1
    client.send(b"anybody there?")
    client.expect_end(RST, seconds=10)
    assert time.time() - client.dialled_at > 0.95 * timeout
    wait_until(lambda: relay.sessions_total() == 0, 5, "the place to be free")


def write(path, text):
    """As a careful program does it: the file is whole whenever it is looked at."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def ask_by_hup(relay):
    relay.send_signal(signal.SIGHUP)


def ask_by_ctl(relay):
    done = run_culvert("ctl", "reload", "--socket", relay.socket_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("ask", [ask_by_hup, ask_by_ctl, None], ids=["hup", "ctl", "look"])
def test_a_file_is_read_again(culvert, tmp_path, ask):
    server = Listener()
    blocklist = tmp_path / "blocklist"
    blocklist.write_text("# nobody yet\n192.0.2.0/24\n")
    relay = culvert(relay_to(server, listen={"deny": f"@{blocklist}"}), workers=2)
    live = pair(relay, server)
    write(blocklist, "192.0.2.0/24\n127.0.0.0/8 # all of us\n")
    if ask is not None:
        ask(relay)
    event = relay.wait_record(lambda record: record["event"] == "addresses_reloaded")
    assert (event["section"], event["key"], event["prefixes"]) == ("listen main", "deny", 2)
    for _ in range(6):
        client = connect(relay.address())
        client.expect_end(RST)
    exchange(*live)
    write(blocklist, "")
    wait_until(lambda: relay.metric("culvert_address_list_prefixes", key="deny") == 0, 6,
               "the empty file to be read")
    exchange(*pair(relay, server))


def test_a_broken_file_keeps_the_last_good_list(culvert, tmp_path):
    server = Listener()
    blocklist = tmp_path / "blocklist"
    blocklist.write_text("127.0.0.0/8\n")
    relay = culvert(relay_to(server, listen={"deny": f"@{blocklist}"}))
    write(blocklist, "10.0.0.0/8\n10.0.0.0/33\n")
    event = relay.wait_record(lambda record: record["event"] == "addresses_reload_failed", 8)
    assert event["level"] == "error"
    assert f"{blocklist}:2: '10.0.0.0/33' needs a prefix length" in event["message"]
    relay.wait_metric("culvert_address_list_reloads_total", 1, key="deny", result="failed")
    done = run_culvert("ctl", "reload", "--socket", relay.socket_path)
    assert done.returncode != 0
    connect(relay.address()).expect_end(RST)
    blocklist.unlink()
    relay.wait_record(lambda record: record["event"] == "addresses_reload_failed"
                      and "cannot be opened" in record["message"], 8)
    connect(relay.address()).expect_end(RST)
    blocklist.write_text("10.0.0.0/8\n")
    relay.wait_record(lambda record: record["event"] == "addresses_reloaded", 8)
    exchange(*pair(relay, server))


def test_a_hundred_thousand_prefixes(culvert, tmp_path):
    server = Listener()
    blocklist = tmp_path / "blocklist"
    lines = [f"{11 + i // 65536}.{i // 256 % 256}.{i % 256}.0/25" for i in range(100000)]
    blocklist.write_text("\n".join([*lines, "127.0.0.0/30", ""]))
    relay = culvert(relay_to(server, listen={"deny": f"@{blocklist}"}))
    assert relay.metric("culvert_address_list_prefixes", key="deny") == 100001
    connect(relay.address()).expect_end(RST)
    client = connect(relay.address(), source="127.0.0.4")
    exchange(client, server.accept())


def test_errors_have_a_place(culvert, tmp_path):
    blocklist = tmp_path / "blocklist"
    blocklist.write_text("10.0.0.0/8\n\n10.0.0.1/8\n")
    with pytest.raises(StartFailed) as failure:
        culvert(relay_to(Listener(), listen={"deny": f"@{blocklist}"}))
    assert failure.value.code == 78
    assert f"{blocklist}:3:1: error: '10.0.0.1/8' has bits set behind its first 8" in failure.value.stderr
