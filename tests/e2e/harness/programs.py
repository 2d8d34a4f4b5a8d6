# SPDX-License-Identifier: Apache-2.0
"""Real programs around the relay. They listen on unix sockets, so no test needs a fixed port."""
import contextlib
import os
import random
import re
import select
import shutil
import subprocess
import tempfile

import pytest

from .peer import unix_path
from .wait import SLOW, Deadline, wait_until


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
def haproxy(folder, server, bind_options="", server_options=""):
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
    bind unix@{path} mode 777 {bind_options}
    default_backend b
backend b
    server s {target} {server_options}
""")
    with running([find("haproxy"), "-db", "-f", str(config)], path, folder / "haproxy.log"):
        yield path


HTTP_CONFIG = """
user root;
http {{
    access_log off;
    client_body_temp_path {{folder}}/body;
    proxy_temp_path {{folder}}/proxy;
    fastcgi_temp_path {{folder}}/fastcgi;
    uwsgi_temp_path {{folder}}/uwsgi;
    scgi_temp_path {{folder}}/scgi;
    client_max_body_size 50m;
    server {{
        listen unix:{{path}} {listen};
        {more}
        root {{folder}};
        location = /hello {{ return 200 "hello"; }}
        {locations}
    }}
}}
"""


@contextlib.contextmanager
def nginx_http(folder, *, listen="", more="", locations=""):
    """nginx as an HTTP server of the files in `folder` on a unix socket: its path."""
    for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(0o777)
    text = HTTP_CONFIG.format(listen=listen, more=more, locations=locations)
    with nginx(folder, text) as path:
        yield path


@contextlib.contextmanager
def s_server(folder, identity, *words):
    """openssl s_server, which sends each line back reversed: its address."""
    log = folder / "s_server.log"
    with open(log, "ab") as file:
        process = subprocess.Popen([find("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert",
                                    identity.cert, "-key", identity.key, "-rev", *words],
                                   stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    try:
        accept = wait_until(lambda: re.search(r"^ACCEPT (\S+)", log.read_text(), re.M), 10,
                            lambda: f"s_server to listen: {log.read_text()}")
        yield accept.group(1)
    finally:
        process.kill()
        process.wait()


class SClient:
    """openssl s_client, driven through its standard input and output."""

    def __init__(self, address, *words):
        self.process = subprocess.Popen(
            [find("openssl"), "s_client", "-connect", address, *words], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.told = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def type(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def expect(self, text, seconds=10):
        """Until it has printed `text`."""
        deadline = Deadline(seconds)
        while text not in self.told:
            ready = select.select([self.process.stdout], [], [], deadline.left())[0]
            piece = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert piece, f"s_client never printed {text!r}: {self.told[-2000:]!r}"
            self.told += piece

    def end(self, seconds=10):
        """End its input; what it printed and its exit code."""
        self.process.stdin.close()
        self.told += self.process.stdout.read()
        return self.told, self.process.wait(seconds * SLOW)


@contextlib.contextmanager
def postgres(identity=None):
    """PostgreSQL on a unix socket; with `identity` on a TCP address, too, where it offers TLS.
    (address of the unix socket, TCP address or None). Needs root, to become postgres."""
    as_postgres = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    # PostgreSQL wants to be told a port. Of the loopback addresses one that nobody else uses.
    host = f"127.{random.randint(64, 250)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
    with tempfile.TemporaryDirectory(prefix="culvert-pg-") as folder:
        subprocess.run(["chown", "postgres:postgres", folder], check=True)
        os.chmod(folder, 0o755)
        data = f"{folder}/data"
        subprocess.run([*as_postgres, find("initdb"), "-A", "trust", "-N", "-U", "postgres", "-D",
                        data], check=True, capture_output=True, cwd=folder)
        words = ["-h", ""]
        if identity:
            key = f"{folder}/server.key"
            shutil.copy(identity.key, key)
            os.chmod(key, 0o600)
            shutil.chown(key, "postgres", "postgres")
            with open(f"{data}/pg_hba.conf", "a", encoding="ascii") as file:
                file.write("host all all 127.0.0.0/8 trust\n")
            words = ["-h", host, "-c", "ssl=on", "-c", f"ssl_cert_file={identity.cert}", "-c",
                     f"ssl_key_file={key}"]
        path = f"{folder}/.s.PGSQL.5432"
        with running([*as_postgres, find("postgres"), "-D", data, "-k", folder, *words, "-F", "-c",
                      "shared_buffers=16MB", "-c", "unix_socket_permissions=0777"],
                     path, f"{folder}/log"):
            yield f"unix:{path}", f"{host}:5432" if identity else None


@contextlib.contextmanager
def mariadb(folder):
    """MariaDB on a unix socket: its path. Needs root."""
    path = unix_path()
    data = folder / "data"
    common = ("--no-defaults", f"--datadir={data}", "--user=root")
    subprocess.run([find("mariadb-install-db"), *common, "--auth-root-authentication-method=normal",
                    "--skip-test-db"], check=True, capture_output=True)
    with running([find("mariadbd"), *common, "--skip-networking", f"--socket={path}",
                  "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M"],
                 path, folder / "mariadb.log"):
        yield path


class RestartingPostgres:
    """PostgreSQL under pg_ctl, so that a test can restart it. See postgres_that_restarts()."""

    def __init__(self, folder, as_postgres):
        self.folder = folder
        self.as_postgres = as_postgres
        self.address = f"unix:{folder}/.s.PGSQL.5432"

    def control(self, *words):
        options = f"-k {self.folder} -h '' -F -c shared_buffers=16MB -c unix_socket_permissions=0777"
        subprocess.run([*self.as_postgres, find("pg_ctl"), "-D", f"{self.folder}/data", "-w", "-t", "60",
                        "-l", f"{self.folder}/log", "-o", options, *words], check=True,
                       capture_output=True, cwd=self.folder, timeout=90)

    def restart(self):
        self.control("-m", "fast", "restart")


@contextlib.contextmanager
def postgres_that_restarts():
    """PostgreSQL on a unix socket. Needs root, to become postgres."""
    as_postgres = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    with tempfile.TemporaryDirectory(prefix="culvert-pg-") as folder:
        subprocess.run(["chown", "postgres:postgres", folder], check=True)
        os.chmod(folder, 0o755)
        subprocess.run([*as_postgres, find("initdb"), "-A", "trust", "-N", "-U", "postgres", "-D",
                        f"{folder}/data"], check=True, capture_output=True, cwd=folder)
        server = RestartingPostgres(folder, as_postgres)
        server.control("start")
        try:
            yield server
        finally:
            server.control("-m", "immediate", "stop")
