# SPDX-License-Identifier: Apache-2.0
"""The control socket's file: mode 0600 from the first moment, a stale one is replaced, a symbolic
link or another file is refused, gone after the stop (AD6)."""
import os
import socket
import stat

import pytest

from harness.culvert import StartFailed, relay_to
from harness.peer import Listener


def test_mode_and_removal(culvert):
    relay = culvert(relay_to(Listener()))
    status = os.stat(relay.socket_path)
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert relay.stop() == 0
    assert not os.path.exists(relay.socket_path)


def test_stale_file(culvert, tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    path = str(folder / "c.sock")
    if len(path) > 100:
        pytest.skip("the temporary folder's name is too long for a unix socket")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    relay = culvert(relay_to(Listener()), directory=str(folder))
    assert relay.get("/healthz")[0] == 200


@pytest.mark.parametrize("kind", ["symlink", "file"])
def test_refused(culvert, tmp_path, kind):
    folder = tmp_path / "d"
    folder.mkdir()
    path = folder / "c.sock"
    target = tmp_path / "target"
    target.write_text("precious")
    if kind == "symlink":
        path.symlink_to(target)
    else:
        path.write_text("precious")
    relay = culvert(relay_to(Listener()), directory=str(folder), wait_ready=False)
    with pytest.raises(StartFailed) as failure:
        relay.wait_ready()
    relay.stopped_by_test = True
    assert failure.value.code in (69, 78)
    assert target.read_text() == "precious"
    assert path.read_text() == "precious"
