# SPDX-License-Identifier: Apache-2.0
"""What `culvert -t` and a start say of certificates, keys and names; and that -T reads no key."""
import os
import shutil

import pytest

from harness.certificates import authority, other_authority
from harness.culvert import run_culvert

LISTEN = "[listen web]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:9\n"


def check(tmp_path, text, *args):
    (tmp_path / "culvert.ini").write_text(text)
    return run_culvert("-c", "culvert.ini", *args, cwd=tmp_path)


@pytest.fixture
def place(tmp_path):
    """A folder with a good PEM file, a bad one, and a mounted secret."""
    good, other = authority().issue("server.test"), other_authority().issue("other.test")
    (tmp_path / "good.pem").write_text(good.text)
    (tmp_path / "bad.pem").write_text(good.cert_text + other.key_text)
    secret = tmp_path / "secret"
    secret.mkdir()
    shutil.copy(good.cert, secret / "tls.crt")
    shutil.copy(good.key, secret / "tls.key")
    return tmp_path


@pytest.mark.parametrize("tls", ["good.pem", "./good.pem", "secret/", "./secret"])
def test_paths(place, tls):
    done = check(place, LISTEN + f"tls = {tls}\n", "-t")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_key_that_does_not_fit(place):
    text = LISTEN + "tls = public\n[tls public]\ncert = bad.pem\n"
    for args in (["-t"], []):
        done = check(place, text, *args)
        assert done.returncode == 78
        assert "culvert.ini:6:8: error: " in done.stderr
        assert "bad.pem" in done.stderr
        assert "      |        ^~~~~~~\n" in done.stderr
        assert "1 error, 0 warnings; nothing was loaded" in done.stderr


def test_all_files_that_are_missing_in_one_run(place):
    done = check(place, LISTEN + "tls = public\n[tls public]\ncert = a.pem\nca_file = b.pem\n"
                 "crl_file = c.pem\nverify = required\n", "-t")
    assert done.returncode == 78
    for line, name in ((6, "a"), (7, "b"), (8, "c")):
        assert f"culvert.ini:{line}:" in done.stderr
        assert f"{name}.pem cannot be read: No such file or directory" in done.stderr


def test_a_folder_without_a_key(place):
    os.unlink(place / "secret/tls.key")
    done = check(place, LISTEN + "tls = secret/\n", "-t")
    assert done.returncode == 78
    assert "culvert.ini:4:7: error: " in done.stderr
    assert "tls.key" in done.stderr


def test_a_word_that_is_neither_name_nor_path(place):
    done = check(place, LISTEN + "tls = good\n", "-t")
    assert done.returncode == 78
    assert ("culvert.ini:4:7: error: [listen web] wants tls 'good'; there is no [tls good] (a path "
            "has a slash or ends in .pem)\n") in done.stderr


def test_the_dump_reads_no_key(place):
    text = LISTEN + "tls = missing.pem\n"
    done = check(place, text, "-T")
    assert done.returncode == 0, done.stderr
    assert f"tls = {place}/missing.pem  # culvert.ini:4\n" in done.stdout


def test_overrides(place):
    done = check(place, LISTEN, "-t", "-s", "listen.web.tls=./good.pem")
    assert done.returncode == 0, done.stderr
    done = check(place, LISTEN, "-t", "-s", "listen.web.tls=./bad.pem")
    assert done.returncode == 78
    assert "-s:1:16: error: " in done.stderr


def test_quick_run(place):
    done = run_culvert("--tls", "good.pem", "127.0.0.1:0", "127.0.0.1:9", "-t", cwd=place)
    assert done.returncode == 0, done.stderr
    done = run_culvert("--tls", "secret", "127.0.0.1:0", "127.0.0.1:9", "-t", cwd=place)
    assert done.returncode == 0, done.stderr
    done = run_culvert("--tls", "bad.pem", "127.0.0.1:0", "127.0.0.1:9", "-t", cwd=place)
    assert done.returncode == 78
    assert "(command line):4:7: error: " in done.stderr


def test_a_map_that_names_pools_that_are_not_there(place):
    (place / "names.map").write_text("a.example.com app\nb.example.com ap\n*.*.c app\n")
    done = check(place, "[listen web]\nbind = 127.0.0.1:0\nsni_map = names.map\n"
                 "[pool app]\nserver = 127.0.0.1:9\n", "-t")
    assert done.returncode == 78
    assert "names.map:3:1: error: '*.*.c': " in done.stderr
    (place / "names.map").write_text("a.example.com app\nb.example.com ap\n")
    done = check(place, "[listen web]\nbind = 127.0.0.1:0\nsni_map = names.map\n"
                 "[pool app]\nserver = 127.0.0.1:9\n", "-t")
    assert "names.map:2:15: error: there is no [pool ap]; did you mean 'app'" in done.stderr
