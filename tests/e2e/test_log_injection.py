# SPDX-License-Identifier: Apache-2.0
"""What a client can put into a record (the name of its unix socket, the server name it asks for)
never breaks a line: each record is one line that parses, without raw control or non-ASCII bytes
(LG1)."""
import json
import os
import socket

import pytest

from harness.crowd import CLIENT_FIRST, Crowd, plans
from harness.certificates import server_identity
from harness.culvert import relay_to
from harness.hello import hello
from harness.peer import Conn, Listener, connect, parse_address, unix_path
from harness.wait import wait_until

NAMES = [b'\nevil', b'a"b', b'a\\b', b"%n%s%x", b"\x1b[31mred", b"\r\n{\"event\":\"session_end\"}",
         bytes(range(1, 64)), bytes(range(128, 200)), b"\xc3\x28", b" reason=done x=", b"=", b"\x7f"]


@pytest.mark.parametrize("log_format", ["json", "logfmt", "text"])
def test_log_injection(culvert, log_format):
    server = Listener()
    relay = culvert(relay_to(server, listen={"bind": f"unix:{unix_path()}"}),
                    log={"format": log_format, "color": "never"})
    _, path = parse_address(relay.address())
    for number, name in enumerate(NAMES):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(b"\0" + name + b"%d.%d" % (os.getpid(), number))
        sock.connect(path)
        client = Conn(sock)
        served = server.accept()
        client.fin()
        served.close()
        client.expect_end("FIN")
    wait_until(lambda: relay.metric("culvert_sessions_closed_total", reason="done") == len(NAMES), 3,
               "the sessions to be over")
    relay.stop()
    with open(relay.stderr_path, "rb") as file:
        content = file.read()
    assert not [byte for byte in content if byte != 10 and not 32 <= byte <= 126], content
    lines = content.decode("ascii").splitlines()
    if log_format == "json":
        records = [json.loads(line) for line in lines]
        assert len([one for one in records if one["event"] == "session_end"]) == len(NAMES)
    else:
        assert len([line for line in lines if "done" in line and "main" in line]) == len(NAMES)


def check_lines(content, log_format, count):
    """One line per record, each printable ASCII; JSON parses."""
    assert not [byte for byte in content if byte != 10 and not 32 <= byte <= 126], content
    lines = content.decode("ascii").splitlines()
    if log_format != "json":
        ends = [line for line in lines if "main" in line and "client_" in line]
        assert len(ends) == count, lines
        return []
    records = [json.loads(line) for line in lines]
    ends = [one for one in records if one["event"] == "session_end"]
    assert len(ends) == count, ends
    return ends


@pytest.mark.parametrize("log_format", ["json", "logfmt", "text"])
@pytest.mark.parametrize("terminates", [False, True], ids=["routed", "terminated"])
def test_server_names(culvert, log_format, terminates):
    """Where names are routed by, those with bytes that no name has are refused; where TLS is
    terminated, OpenSSL takes nearly all of them. Both are told escaped."""
    server = Listener()
    sections = relay_to(server, listen={"tls": "in"}, **{"tls in": {"cert": server_identity().pem}})
    if not terminates:
        sections = relay_to(server, pool={}, listen={"no_route": "reset"})
        sections["route one"] = {"listen": "main", "sni": "one.test", "pool": "servers"}
        del sections["listen main"]["pool"]
    relay = culvert(sections, log={"format": log_format, "color": "never"})
    names = [name for name in NAMES if b"\0" not in name]
    for name in names:
        client = connect(relay.address())
        client.send(hello(name))
        if terminates:
            client.read_some()
            client.rst()
        else:
            client.read_end()
    wait_until(lambda: relay.metric("culvert_sessions_closed_total") == len(names), 5,
               "the sessions to be over")
    told = 0
    relay.stop()
    with open(relay.stderr_path, "rb") as file:
        content = file.read()
    if not terminates and log_format != "json":
        content = content.replace(b"no_route", b"client_no_route")
    for one in check_lines(content, log_format, len(names)):
        told += one["sni"] != ""
    if log_format == "json":
        assert told > 3


def test_many_records_are_whole(culvert):
    """Two thousand records from four workers at once: every line parses."""
    server = Listener()
    relay = culvert(relay_to(server), workers=4)
    Crowd(relay.address(), server, at_once=100).run(
        plans(2000, size=(0, 100), endings=[CLIENT_FIRST])).check()
    relay.wait_idle()
    relay.stop()
    assert not [one for one in relay.records() if "text" in one and len(one) == 1]
    written = len(relay.session_records())
    assert written == 2000
