# SPDX-License-Identifier: Apache-2.0
"""A server that cannot be reached says why, fast: routes that refuse, unix sockets that are missing,
not sockets, or closed to us; a name that is too long is an error of the configuration (CN3, CN7)."""
import os
import subprocess

import pytest

from harness.culvert import relay_to, render, run_culvert
from harness.netns import Neighbour, in_network_namespace, run_nft
from harness.peer import RST, Listener, connect, unix_path
from harness.wait import Stopwatch, limit


def refused_with(relay, reason, errno):
    watch = Stopwatch()
    client = connect(relay.address())
    client.expect_end(RST)
    assert watch.seconds() < limit(1)
    record = relay.record_of(client)
    assert (record["reason"], record["errno"]) == (reason, errno)


@in_network_namespace()
def test_routes_that_refuse(culvert):
    for kind, errno in (("unreachable", "EHOSTUNREACH"), ("prohibit", "EACCES")):
        address = f"10.9.9.{len(kind)}"
        subprocess.run(["ip", "route", "add", kind, f"{address}/32"], check=True)
        refused_with(culvert(relay_to(f"{address}:80")), "connect_failed", errno)
    refused_with(culvert(relay_to("10.77.77.77:80")), "connect_failed", "ENETUNREACH")


@pytest.mark.parametrize("family, answer, reason, errno", [
    ("v4", "icmp type host-unreachable", "connect_failed", "EHOSTUNREACH"),
    ("v4", "icmp type net-unreachable", "connect_failed", "ENETUNREACH"),
    ("v4", "icmp type admin-prohibited", "connect_failed", "EHOSTUNREACH"),
    ("v4", "icmp type port-unreachable", "connect_refused", "ECONNREFUSED"),
    ("v4", "tcp reset", "connect_refused", "ECONNREFUSED"),
    ("v6", "icmpv6 type no-route", "connect_failed", "ENETUNREACH"),
    ("v6", "icmpv6 type addr-unreachable", "connect_failed", "EHOSTUNREACH"),
    ("v6", "icmpv6 type admin-prohibited", "connect_failed", "EACCES"),
    ("v6", "icmpv6 type policy-fail", "connect_failed", "EACCES"),
    ("v6", "icmpv6 type reject-route", "connect_failed", "EACCES"),
    ("v6", "icmpv6 type port-unreachable", "connect_refused", "ECONNREFUSED"),
    ("v6", "tcp reset", "connect_refused", "ECONNREFUSED"),
])
@in_network_namespace()
def test_a_firewall_that_rejects(culvert, family, answer, reason, errno):
    """Its answer comes over the network. On one machine that may be while the kernel still sends the
    first packet, of which it takes notice then a second later, at the next one."""
    machine = Neighbour(1)
    machine.call(run_nft, f"""table inet wall {{
        chain input {{
            type filter hook input priority 0;
            tcp dport 80 reject with {answer}
        }}
    }}""")
    host = machine.v4 if family == "v4" else f"[{machine.v6}]"
    relay = culvert(relay_to(f"{host}:80"))
    client = connect(relay.address())
    client.expect_end(RST)
    record = relay.record_of(client)
    assert (record["reason"], record["errno"]) == (reason, errno)
    machine.close()


def test_unix_socket_missing(culvert):
    refused_with(culvert(relay_to(f"unix:{unix_path()}")), "connect_failed", "ENOENT")


def test_unix_path_is_a_file(culvert):
    path = unix_path()
    with open(path, "w", encoding="ascii"):
        pass
    refused_with(culvert(relay_to(f"unix:{path}")), "connect_refused", "ECONNREFUSED")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_unix_socket_closed_to_us(culvert):
    server = Listener("unix")
    os.chmod(server.address[5:], 0o600)
    refused_with(culvert(relay_to(server), user=60999), "connect_failed", "EACCES")


def test_full_queue_of_a_unix_server_is_refused(culvert):
    """AF_UNIX answers EAGAIN when the accept queue is full: the next server is tried."""
    full = Listener("unix", backlog=0)
    fillers = []
    for _ in range(4):
        try:
            fillers.append(connect(full.address, wait=False))
        except BlockingIOError:
            break
    spare = Listener()
    relay = culvert(relay_to([full.address, spare.address], pool={"balance": "first"}))
    client = connect(relay.address())
    served = spare.accept()
    served.send(b"here")
    client.expect(b"here")


def test_unix_path_too_long(tmp_path):
    file = tmp_path / "culvert.ini"
    file.write_text(render({"listen main": {"bind": "127.0.0.1:0", "server": "unix:/" + "x" * 108}}))
    done = run_culvert("-c", str(file))
    assert done.returncode == 78
    assert "culvert.ini:3" in done.stderr
