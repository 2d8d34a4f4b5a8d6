# SPDX-License-Identifier: Apache-2.0
"""A broken configuration starts nothing: exit code 78 within a second, file and line in the message,
no address bound, no control socket (CF1 to CF4)."""
import os

import pytest

from harness.culvert import run_culvert
from harness.peer import unix_path
from harness.wait import Stopwatch, limit

GOOD = "[listen main]\nbind = 127.0.0.1:0 unix:{path}\nserver = 127.0.0.1:9\n[admin]\nsocket = {path}.c\n"

BROKEN = {
    "unknown key": (GOOD + "[defaults]\nidle_timout = 5m\n", 7),
    "unknown section": (GOOD + "[lissten x]\nbind = :1\n", 6),
    "key before any section": ("bind = :1\n" + GOOD, 1),
    "duplicate key": (GOOD + "[defaults]\nidle_timeout = 5m\nidle_timeout = 6m\n", 8),
    "duplicate section": (GOOD + "[listen main]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:9\n", 6),
    "section of 60 characters": (GOOD + f"[listen {'a' * 60}]\nbind = 127.0.0.1:0\n", 6),
    "unclosed section": (GOOD + "[listen other\nbind = 127.0.0.1:0\n", 6),
    "line without =": (GOOD + "[defaults]\nidle_timeout 5m\n", 7),
    "empty key": (GOOD + "[defaults]\n= 5m\n", 7),
    "duration without unit": (GOOD + "[defaults]\nidle_timeout = 5\n", 7),
    "negative duration": (GOOD + "[defaults]\nidle_timeout = -1s\n", 7),
    "unit that is none": (GOOD + "[defaults]\nidle_timeout = 5x\n", 7),
    "duration too large": (GOOD + "[defaults]\nidle_timeout = 9999999999h\n", 7),
    "port 65536": (GOOD + "[listen b]\nbind = 127.0.0.1:65536\nserver = 127.0.0.1:9\n", 7),
    "port -1": (GOOD + "[listen b]\nbind = 127.0.0.1:-1\nserver = 127.0.0.1:9\n", 7),
    "port 80x": (GOOD + "[listen b]\nbind = 127.0.0.1:80x\nserver = 127.0.0.1:9\n", 7),
    "hexadecimal port": (GOOD + "[listen b]\nbind = 127.0.0.1:0x50\nserver = 127.0.0.1:9\n", 7),
    "server port 0": (GOOD + "[listen b]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:0\n", 8),
    "IPv6 without brackets": (GOOD + "[listen b]\nbind = ::1:80\nserver = 127.0.0.1:9\n", 7),
    "boolean 2": (GOOD + "[defaults]\nnodelay = 2\n", 7),
    "enum value": (GOOD + "[defaults]\non_reset = propagte\n", 7),
    "size overflow": (GOOD + "[defaults]\nbuffer_size = 99999999999999999999g\n", 7),
    "size with kb": (GOOD + "[defaults]\nbuffer_size = 64kb\n", 7),
    "unset variable": (GOOD + "[defaults]\nidle_timeout = ${CULVERT_NO_SUCH_VARIABLE}\n", 7),
    "NUL byte": (GOOD + "[defaults]\nidle_timeout = 5\0m\n", 7),
    "control byte": (GOOD + "[defaults]\nidle_timeout = 5m\x07\n", 7),
    "line of 5000 bytes": (GOOD + "[defaults]\nidle_timeout = " + "5" * 5000 + "\n", 7),
    "pool that does not exist": (GOOD + "[listen b]\nbind = 127.0.0.1:0\npool = nowhere\n", 8),
    "pool and server": (GOOD + "[pool p]\nserver = 127.0.0.1:9\n[listen b]\nbind = 127.0.0.1:0\n"
                        "pool = p\nserver = 127.0.0.1:9\n", None),
    "pool without servers": (GOOD + "[pool p]\nbalance = first\n[listen b]\nbind = 127.0.0.1:0\n"
                             "pool = p\n", None),
    "listener without bind": (GOOD + "[listen b]\nserver = 127.0.0.1:9\n", 6),
    "listener without anywhere to go": (GOOD + "[listen b]\nbind = 127.0.0.1:0\n", 6),
    "two equal routes": (GOOD + "[pool p]\nserver = 127.0.0.1:9\n"
                         "[route a]\nlisten = main\nsource = 10.0.0.0/8\npool = p\n"
                         "[route b]\nlisten = main\nsource = 10.0.0.0/8\npool = p\n", None),
    "feature of a later version": (GOOD + "[defaults]\nfast_open = 5\n", 7),
    "empty file": ("", None),
    "only comments": ("# nothing\n; here\n", None),
    "UTF-16": (GOOD.encode("utf-16").decode("latin-1"), None),
}


def check_refused(file, line, path):
    watch = Stopwatch()
    done = run_culvert("-c", str(file))
    assert watch.seconds() < limit(5)
    assert done.returncode == 78, done.stderr
    assert "error" in done.stderr
    if line:
        assert f"{os.path.basename(file)}:{line}" in done.stderr, done.stderr
    assert not os.path.exists(path)
    assert not os.path.exists(path + ".c")
    test = run_culvert("-t", "-c", str(file))
    assert test.returncode == 78
    return done.stderr


@pytest.mark.parametrize("name", BROKEN)
def test_broken(tmp_path, name):
    text, line = BROKEN[name]
    path = unix_path()
    file = tmp_path / "culvert.ini"
    file.write_text(text.replace("{path}", path), encoding="latin-1")
    check_refused(file, line, path)


def test_all_errors_in_one_run(tmp_path):
    path = unix_path()
    file = tmp_path / "culvert.ini"
    file.write_text(GOOD.replace("{path}", path) + "[defaults]\nidle_timout = 5m\n"
                    "idle_timeout = 5\nsplice = maybe\n[listen b]\nbind = 127.0.0.1:99999\n"
                    "pool = nowhere\n")
    text = check_refused(file, None, path)
    for line in (7, 8, 9, 11, 12):
        assert f"culvert.ini:{line}:" in text
    assert "did you mean 'idle_timeout'" in text
    assert "5 errors" in text


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "zero", "unreadable", "loop", "big"])
def test_not_a_file(tmp_path, kind):
    path = unix_path()
    file = tmp_path / "culvert.ini"
    if kind == "folder":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "zero":
        file = "/dev/zero"
    elif kind == "unreadable":
        if os.geteuid() == 0:
            pytest.skip("root reads everything")
        file.write_text(GOOD)
        file.chmod(0)
    elif kind == "loop":
        file.symlink_to(file)
    elif kind == "big":
        with open(file, "wb") as handle:
            handle.truncate(1 << 30)
    check_refused(file, None, path)


@pytest.mark.parametrize("text", [
    GOOD, GOOD.replace("\n", "\r\n"), "\ufeff" + GOOD, GOOD.rstrip("\n"),
    GOOD.replace("\nbind", "\n    bind").replace("server =", "\tserver   ="),
    "# c\n; c\n" + GOOD.replace("127.0.0.1:9", "127.0.0.1:9 ; comment"),
    GOOD + "[defaults]\nidle_timeout = ${CULVERT_NO_SUCH_VARIABLE:-7m}\n"],
    ids=["plain", "CRLF", "BOM", "no final newline", "indented", "comments", "variable"])
def test_accepted(tmp_path, text):
    file = tmp_path / "culvert.ini"
    file.write_bytes(text.replace("{path}", unix_path()).encode())
    done = run_culvert("-t", "-c", str(file))
    assert done.returncode == 0, done.stderr


def test_include(tmp_path):
    """CF5: loops, depth, missing names are errors; an empty glob is not; later files add."""
    path = unix_path()
    file = tmp_path / "culvert.ini"
    good = GOOD.replace("{path}", path)
    file.write_text(good + "[culvert]\ninclude = none-*.ini\n")
    assert run_culvert("-t", "-c", str(file)).returncode == 0
    for included in ("culvert.ini", "missing.ini", "loop.ini", "deep0.ini"):
        file.write_text(good + f"[culvert]\ninclude = {included}\n")
        (tmp_path / "loop.ini").write_text("[culvert]\ninclude = loop2.ini\n")
        (tmp_path / "loop2.ini").write_text("[culvert]\ninclude = loop.ini\n")
        for number in range(100):
            (tmp_path / f"deep{number}.ini").write_text(
                f"[culvert]\ninclude = deep{number + 1}.ini\n")
        (tmp_path / "deep100.ini").write_text("[defaults]\nsplice = off\n")
        check_refused(file, None, path)
    file.write_text(good + "[culvert]\ninclude = more.ini\n")
    (tmp_path / "more.ini").write_text("[listen more]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:9\n")
    assert run_culvert("-t", "-c", str(file)).returncode == 0
    (tmp_path / "more.ini").write_text("[listen more]\nbnd = 127.0.0.1:0\nserver = 127.0.0.1:9\n")
    done = run_culvert("-t", "-c", str(file))
    assert done.returncode == 78 and "more.ini:2" in done.stderr


def test_dump_loads_again(tmp_path):
    file = tmp_path / "culvert.ini"
    file.write_text(GOOD.replace("{path}", unix_path()))
    first = run_culvert("-T", "-c", str(file))
    assert first.returncode == 0, first.stderr
    again = tmp_path / "again.ini"
    again.write_text(first.stdout)
    assert run_culvert("-t", "-c", str(again)).returncode == 0
