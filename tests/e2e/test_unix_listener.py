# SPDX-License-Identifier: Apache-2.0
"""The file of a unix listener: a stale one is replaced, a live one or anything else is an error and
stays as it was; it is gone after the stop (OP12)."""
import os
import socket
import stat

import pytest

from harness.culvert import StartFailed, relay_to
from harness.peer import Listener, exchange, pair, unix_path


def starts(culvert, path):
    server = Listener()
    relay = culvert(relay_to(server, listen={"bind": f"unix:{path}"}), wait_ready=False)
    try:
        relay.wait_ready()
    except StartFailed as failure:
        relay.stopped_by_test = True
        return None, None, failure
    return relay, server, None


def test_stale_socket_file(culvert):
    path = unix_path()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    relay, server, failure = starts(culvert, path)
    assert failure is None
    exchange(*pair(relay, server))


def test_restart(culvert):
    path = unix_path()
    for _ in range(2):
        relay, server, failure = starts(culvert, path)
        assert failure is None
        exchange(*pair(relay, server))
        relay.kill_hard()
        assert os.path.exists(path)
    relay, server, failure = starts(culvert, path)
    assert failure is None
    exchange(*pair(relay, server))


def test_live_socket_of_another(culvert):
    path = unix_path()
    other = Listener("unix", path=path)
    relay, server, failure = starts(culvert, path)
    assert failure and failure.code == 69
    assert path in failure.stderr
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
    other.accept()


@pytest.mark.parametrize("kind", ["file", "folder", "symlink", "fifo"])
def test_not_a_socket(culvert, kind):
    path = unix_path()
    if kind == "file":
        with open(path, "w", encoding="ascii") as file:
            file.write("precious")
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "symlink":
        os.symlink("/nonexistent", path)
    else:
        os.mkfifo(path)
    before = os.lstat(path)
    relay, server, failure = starts(culvert, path)
    assert failure and failure.code == 69
    after = os.lstat(path)
    assert (before.st_ino, stat.S_IFMT(before.st_mode)) == (after.st_ino, stat.S_IFMT(after.st_mode))


def test_gone_after_the_stop(culvert):
    path = unix_path()
    relay, server, failure = starts(culvert, path)
    assert os.path.exists(path)
    assert relay.stop() == 0
    assert not os.path.exists(path)
