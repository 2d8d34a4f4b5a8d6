# SPDX-License-Identifier: Apache-2.0
"""Real programs around the relay. They listen on unix sockets, so no test needs a fixed port."""
import contextlib
import os
import shutil
import subprocess

import pytest

from .peer import unix_path
from .wait import SLOW, wait_until


def find(name):
    """A program's path; Debian keeps some of them outside PATH."""
    return shutil.which(name) or shutil.which(
        name, path="/usr/sbin:/usr/lib/postgresql/15/bin:/usr/local/bin")


def needs(*names):
    missing = [name for name in names if not find(name)]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


def run(*command, seconds=30, **more):
    """Run a client program to its end; it must succeed. Its standard output."""
    done = subprocess.run([find(command[0]), *command[1:]], capture_output=True, text=True,
                          timeout=seconds * SLOW, **more)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-500:]}{done.stderr[-500:]}"
    return done.stdout


def is_listening(path):
    """Whether a unix socket accepts connections, without making one. (HAProxy binds another name
    and renames the file; the kernel goes on calling it by the first name.)"""
    if not os.path.exists(path):
        return False
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        return any(f" {path}" in line and line.split()[3] == "00010000" for line in file)


@contextlib.contextmanager
def running(command, socket_path, log):
    """A server program until the end of the block; ready when its unix socket is there."""
    with open(log, "ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    try:
        def ready():
            assert process.poll() is None, f"{command[0]} ended: {open(log, encoding='utf-8').read()}"
            return is_listening(socket_path)

        wait_until(ready, 15, f"{command[0]} to listen")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def redis(folder):
    path = unix_path()
    with running([find("redis-server"), "--port", "0", "--unixsocket", path, "--save", "",
                  "--appendonly", "no", "--dir", str(folder), "--daemonize", "no"],
                 path, folder / "redis.log"):
        yield f"unix:{path}"


@contextlib.contextmanager
def nginx(folder, text):
    """nginx with `text` as its configuration, in which {path} is the unix socket it listens on."""
    path = unix_path()
    folder.chmod(0o755)
    config = folder / "nginx.conf"
    stream = "/usr/lib/nginx/modules/ngx_stream_module.so"
    modules = f"load_module {stream};\n" if "stream {" in text and os.path.exists(stream) else ""
    config.write_text(f"{modules}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
                      "worker_processes 1;\nevents {}\n" + text.replace("{path}", path)
                      .replace("{folder}", str(folder)))
    with running([find("nginx"), "-p", str(folder), "-c", str(config)], path, folder / "nginx.log"):
        yield path


@contextlib.contextmanager
def haproxy(folder, server):
    """HAProxy in TCP mode from a unix socket to `server` (an INI address)."""
    path = unix_path()
    config = folder / "haproxy.cfg"
    target = server if not server.startswith("unix:") else "unix@" + server[5:]
    config.write_text(f"""
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout tunnel 1m
frontend f
    bind unix@{path} mode 777
    default_backend b
backend b
    server s {target}
""")
    with running([find("haproxy"), "-db", "-f", str(config)], path, folder / "haproxy.log"):
        yield path
