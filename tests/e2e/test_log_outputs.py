# SPDX-License-Identifier: Apache-2.0
"""Where the log goes besides stderr: files that are rotated (LG3), syslog that restarts, a second
output for session records, the journal."""
import json
import os
import re
import signal
import socket

from harness.culvert import relay_to
from harness.peer import FIN, EchoServer, connect
from harness.wait import limit, wait_until


def one_session(relay):
    client = connect(relay.address())
    client.send(b"hello")
    client.fin()
    client.expect_end(FIN, b"hello")
    client.close()


def ends(path):
    """How many session records the file has."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().count("session_end")
    except FileNotFoundError:
        return 0


def wait_ends(path, count):
    wait_until(lambda: ends(path) == count, 3, lambda: f"{count} records in {path}, not {ends(path)}")


def test_rename_and_usr1(culvert, tmp_path):
    log = tmp_path / "log"
    relay = culvert(relay_to(EchoServer()), log={"output": str(log)})
    one_session(relay)
    wait_ends(log, 1)
    log.rename(tmp_path / "log.1")
    one_session(relay)
    wait_ends(tmp_path / "log.1", 2)  # not told yet
    relay.send_signal(signal.SIGUSR1)
    wait_until(log.exists, 3, "the new file")
    one_session(relay)
    wait_ends(log, 1)
    assert ends(tmp_path / "log.1") == 2


def test_copytruncate(culvert, tmp_path):
    log = tmp_path / "log"
    relay = culvert(relay_to(EchoServer()), log={"output": str(log)})
    one_session(relay)
    wait_ends(log, 1)
    os.truncate(log, 0)
    one_session(relay)
    wait_ends(log, 1)
    assert b"\0" not in log.read_bytes()  # appended, not written at the old place


def test_reopen_fails(culvert, tmp_path):
    """The folder is gone at the time of USR1: the old file goes on, and says so."""
    folder = tmp_path / "logs"
    folder.mkdir()
    relay = culvert(relay_to(EchoServer()), log={"output": str(folder / "log")})
    one_session(relay)
    wait_ends(folder / "log", 1)
    (folder / "log").rename(tmp_path / "moved")
    folder.rmdir()
    relay.send_signal(signal.SIGUSR1)
    wait_until(lambda: "log_reopen_failed" in (tmp_path / "moved").read_text(), 3, "the complaint")
    one_session(relay)
    wait_ends(tmp_path / "moved", 2)


def test_access_output(culvert, tmp_path):
    access = tmp_path / "access"
    relay = culvert(relay_to(EchoServer()),
                    log={"access_output": str(access), "access_format": "logfmt"})
    one_session(relay)
    wait_ends(access, 1)
    assert "event=session_end" in access.read_text()
    relay.stop()
    events = {one["event"] for one in relay.records()}
    assert "stopped" in events and "session_end" not in events


def test_syslog_restarts(culvert, tmp_path):
    path = str(tmp_path / "syslog")

    def daemon():
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(path)
        sock.settimeout(0.2)
        return sock

    def hears(sock):
        try:
            return b"session_end" in sock.recv(4096)
        except TimeoutError:
            return False

    first = daemon()
    relay = culvert(relay_to(EchoServer()), log={"output": f"syslog:{path}", "format": "logfmt"})
    one_session(relay)
    wait_until(lambda: hears(first), 3, "a record at the first daemon")
    first.close()
    os.unlink(path)
    one_session(relay)  # lost: nobody there
    second = daemon()

    def again():
        one_session(relay)
        return hears(second)

    wait_until(again, 10, "a record at the second daemon")
    second.close()


def test_syslog_over_udp(culvert):
    """RFC 5424: priority (local3, info), version, time, host, tag, process, logfmt."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(limit(5))
        port = daemon.getsockname()[1]
        relay = culvert(relay_to(EchoServer()), log={
            "output": f"syslog:127.0.0.1:{port}", "format": "logfmt",
            "syslog_facility": "local3", "syslog_tag": "edge"})
        line = daemon.recv(4096).decode()
        assert re.fullmatch(
            rf"<158>1 \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z \S+ edge {relay.pid} - - "
            r"level=info event=ready .*", line), line


def test_journald(culvert):
    relay = culvert(relay_to(EchoServer()), log={"output": "journald", "format": "logfmt"})
    relay.send_signal(signal.SIGHUP)
    wait_until(lambda: "reload_unavailable" in relay.stderr_text(), 3, "the warning")
    lines = relay.stderr_text().splitlines()
    assert any(line.startswith("<6>level=info event=ready ") for line in lines)
    assert any(line.startswith("<4>level=warn event=reload_unavailable ") for line in lines)


def test_no_time_under_the_journal(culvert):
    relay = culvert(relay_to(EchoServer()), env={"JOURNAL_STREAM": "8:12345"})
    record = relay.wait_record(lambda one: one.get("event") == "ready")
    assert "time" not in record


def test_level(culvert):
    relay = culvert(relay_to(EchoServer()), log={"level": "warn"})
    one_session(relay)
    relay.send_signal(signal.SIGHUP)
    relay.wait_record(lambda one: one.get("event") == "reload_unavailable")
    assert {one["level"] for one in relay.records()} == {"warn"}


def test_failed_start_is_a_record(culvert):
    """The log stays whole JSON, whatever goes wrong."""
    relay = culvert(relay_to(EchoServer(), listen={"bind": "192.0.2.1:1"}), wait_ready=False)
    assert relay.wait_exit() == 69
    records = [json.loads(line) for line in relay.stderr_text().splitlines()]
    assert [one["event"] for one in records] == ["failed"]
    assert "192.0.2.1:1" in records[0]["message"]
