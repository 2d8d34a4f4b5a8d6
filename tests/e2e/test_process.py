# SPDX-License-Identifier: Apache-2.0
"""The process among others: its user, its pid file (OP13), the service manager, its terminal."""
import os
import pty
import signal
import socket
import subprocess

import pytest

from harness.culvert import BINARY, StartFailed, clean_environment, read_fields, relay_to
from harness.netns import in_network_namespace
from harness.peer import EchoServer, Listener, connect, exchange, pair
from harness.wait import SLOW, wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def start_fails(culvert, sections, **options):
    relay = culvert(sections, wait_ready=False, **options)
    with pytest.raises(StartFailed) as failure:
        relay.wait_ready()
    relay.stopped_by_test = True
    return failure.value


@needs_root
@in_network_namespace()
def test_user_and_group(culvert):
    """A privileged port is bound, then every thread is nobody, for good and in no other group."""
    server = Listener()
    relay = culvert(relay_to(server, culvert={"user": "nobody", "group": "daemon"},
                             listen={"bind": "127.0.0.1:0 127.0.0.1:997"}), workers=2)
    for task in os.listdir(f"/proc/{relay.pid}/task"):
        status = read_fields(f"/proc/{relay.pid}/task/{task}/status")
        assert status["Uid"].split() == ["65534"] * 4
        assert status["Gid"].split() == ["1"] * 4
        assert status["Groups"].split() == ["1"]
        assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == 0
    exchange(*pair(relay, server))
    owner = os.stat(relay.socket_path)
    assert (owner.st_uid, owner.st_gid) == (65534, 1)
    os.chmod(relay.directory, 0o755)
    asked = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BINARY, "ctl", "--socket",
         relay.socket_path, "ready"], env=clean_environment(), timeout=20, capture_output=True)
    assert asked.returncode == 0, asked.stderr


@needs_root
def test_user_without_root(culvert, tmp_path):
    failure = start_fails(culvert, relay_to(Listener(), culvert={"user": "nobody"}), user=65533)
    assert failure.code == 77
    assert "user = nobody" in failure.stderr


def test_unknown_user(culvert):
    failure = start_fails(culvert, relay_to(Listener(), culvert={"user": "no-such-user"}))
    assert failure.code in (77, 78)
    assert "no-such-user" in failure.stderr


def test_pid_file(culvert, tmp_path):
    """There with the number once it is ready, refused to a second process, gone at the end."""
    file = tmp_path / "culvert.pid"
    server = Listener()
    sections = relay_to(server, culvert={"pid_file": str(file)})
    relay = culvert(sections)
    assert file.read_text() == f"{relay.pid}\n"
    failure = start_fails(culvert, sections)
    assert failure.code == 69
    assert str(relay.pid) in failure.stderr and "culvert.pid" in failure.stderr
    assert file.read_text() == f"{relay.pid}\n"
    exchange(*pair(relay, server))
    relay.stop()
    assert not file.exists()


def test_pid_file_of_a_killed_process(culvert, tmp_path):
    """Whoever has that number by now: here it is the test's own."""
    file = tmp_path / "culvert.pid"
    file.write_text(f"{os.getpid()}\n")
    relay = culvert(relay_to(Listener(), culvert={"pid_file": str(file)}))
    assert file.read_text() == f"{relay.pid}\n"


def test_pid_file_follows_no_link(culvert, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("untouched")
    (tmp_path / "culvert.pid").symlink_to(precious)
    failure = start_fails(culvert, relay_to(
        Listener(), culvert={"pid_file": str(tmp_path / "culvert.pid")}))
    assert failure.code == 78
    assert precious.read_text() == "untouched"


def test_service_manager(culvert, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(5 * SLOW)
        relay = culvert(relay_to(Listener()), env={"NOTIFY_SOCKET": path})
        assert manager.recv(100) == b"READY=1"
        relay.stop(signal.SIGTERM)
        assert manager.recv(100) == b"STOPPING=1"


class Terminal:
    """culvert started by hand."""

    def __init__(self, *args):
        self.end, theirs = pty.openpty()
        environment = clean_environment({"TERM": "xterm", "LANG": "C.UTF-8"})
        environment.pop("NO_COLOR", None)
        environment.pop("LC_ALL", None)
        self.process = subprocess.Popen([BINARY, *args], env=environment, stdin=theirs,
                                        stdout=theirs, stderr=theirs)
        os.close(theirs)
        os.set_blocking(self.end, False)
        self.text = ""

    def hang_up(self):
        if self.end >= 0:
            os.close(self.end)
            self.end = -1

    def reads(self, words):
        try:
            self.text += os.read(self.end, 65536).decode()
        except (BlockingIOError, OSError):
            pass
        return words in self.text

    def wait_for(self, words):
        wait_until(lambda: self.reads(words), 5, lambda: f"{words!r} on the terminal: {self.text!r}")


@pytest.fixture
def terminal():
    started = []

    def start(*args):
        started.append(Terminal(*args))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        one.hang_up()


def test_banner_and_color(terminal):
    server = EchoServer()
    shown = terminal("127.0.0.1:0", server.address, "-s", "admin.socket=off")
    shown.wait_for("ready in ")
    address = shown.text.split("listen   main  ")[1].split()[0]
    assert f"{address}  \u2192  main ({server.address})" in shown.text
    assert "event=" not in shown.text
    client = connect(address)
    client.send(b"x")
    client.read(1)
    client.close()
    shown.wait_for("session_end")
    assert "\x1b[32minfo \x1b[0m" in shown.text
    shown.process.send_signal(signal.SIGINT)
    assert shown.process.wait(5 * SLOW) == 0


def test_the_terminal_is_closed(terminal):
    """HUP means reload, unless it says that the terminal is gone: then culvert ends."""
    shown = terminal("127.0.0.1:0", "builtin:echo", "-s", "admin.socket=off")
    shown.wait_for("ready in ")
    shown.process.send_signal(signal.SIGHUP)
    shown.wait_for("reload_unavailable")
    assert shown.process.poll() is None
    shown.hang_up()
    shown.process.send_signal(signal.SIGHUP)
    assert shown.process.wait(5 * SLOW) == 0
