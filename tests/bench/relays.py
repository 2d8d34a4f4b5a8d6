# SPDX-License-Identifier: Apache-2.0
"""The relays that are compared: how each is configured and started. One worker, no access log."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

SERVERS = [f"127.0.0.{number}" for number in range(11, 19)]  # eight, so no port search is measured
ECHO_PORT, SOURCE_PORT = 7001, 7002  # of the servers
DESCRIPTORS = 20000
START_SECONDS = 10


def _version(command, pattern):
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "unknown"


def make_certificate(folder):
    """A PEM file with a self-signed ECDSA P-256 certificate and its key."""
    key, certificate = (os.path.join(folder, name) for name in ("key.pem", "certificate.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=bench.test",
                    "-addext", "subjectAltName=DNS:bench.test", "-keyout", key, "-out",
                    certificate], check=True, capture_output=True, timeout=10)
    both = os.path.join(folder, "both.pem")
    with open(both, "w", encoding="ascii") as file:
        for name in (certificate, key):
            with open(name, encoding="ascii") as part:
                file.write(part.read())
    return both


class Relay:
    """A relay with one listener before the echo servers and one before the source of bytes.

    `tls` says with whom it speaks TLS: None, "clients" or "servers".
    """

    signal_to_end = signal.SIGTERM
    speaks_tls = True  # takes part in the works with TLS
    client_address = "127.0.0.1"  # the first of eight: the relays listen on every address

    def __init__(self, name, number):
        self.name = name
        self.echo_port, self.source_port = 8001 + 10 * number, 8002 + 10 * number
        self.process = None
        self.folder = None
        self.tls = None
        self.certificate = None

    def services(self):
        return (("echo", self.echo_port, ECHO_PORT), ("source", self.source_port, SOURCE_PORT))

    def start(self, children, folder, cpu, tls=None, certificate=None):
        """Starts it on one CPU and waits until it listens."""
        self.tls, self.certificate = tls, certificate
        self.folder = os.path.join(folder, self.name.replace(" ", "-"))
        os.makedirs(self.folder, exist_ok=True)
        configuration = os.path.join(self.folder, "configuration")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(self.configuration())
        with open(os.path.join(self.folder, "output"), "wb") as output:
            self.process = children.spawn(self.command(configuration), cpu=cpu, stdout=output,
                                          stderr=subprocess.STDOUT, cwd=self.folder)
        deadline = time.monotonic() + START_SECONDS
        for port in (self.echo_port, self.source_port):
            while True:
                try:
                    socket.create_connection((self.client_address, port), 1).close()
                    break
                except OSError as error:
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        children.end(self.process)
                        raise RuntimeError(f"it does not start ({error}): "
                                           f"{self.last_words()}") from error
                    time.sleep(0.02)

    def last_words(self):
        with open(os.path.join(self.folder, "output"), encoding="utf-8", errors="replace") as file:
            return " / ".join(file.read().strip().splitlines()[-5:]) or "it said nothing"

    def stop(self, children):
        if self.process is not None:
            children.end(self.process, self.signal_to_end)
            self.process = None

    def roots(self):
        return [self.process.pid] if self.process is not None else []


class Direct(Relay):
    """No relay: the clients connect to the servers. Shows what the generator itself can do."""

    version = "no relay"
    speaks_tls = False
    client_address = SERVERS[0]

    def __init__(self):
        super().__init__("direct", 0)
        self.echo_port, self.source_port = ECHO_PORT, SOURCE_PORT

    def start(self, children, folder, cpu, tls=None, certificate=None):
        pass


class Haproxy(Relay):
    def __init__(self, name, number, options=()):
        super().__init__(name, number)
        self.options = options
        self.speaks_tls = not options  # splicing is for plain bytes
        self.program = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if self.program:
            self.version = _version([self.program, "-v"], r"version (\S+)")

    def command(self, configuration):
        return [self.program, "-db", "-f", configuration]

    def configuration(self):
        lines = ["global", "    nbthread 1"]
        if self.tls:
            # With the session cache each handshake would be stored, though tickets need none. The
            # built-in list of curves has P-256 alone, and clients would be asked to try again.
            # Reads of four records save a tenth of the time in bulk and cost nothing else.
            lines += ["    tune.ssl.cachesize 0", "    ssl-default-bind-curves X25519:P-256",
                      "    tune.bufsize 65536"]
        lines += ["defaults", "    mode tcp", "    timeout connect 5s", "    timeout client 1h",
                  "    timeout server 1h"]
        lines += [f"    option {option}" for option in self.options]
        for service, port, server_port in self.services():
            bind = f" ssl crt {self.certificate}" if self.tls == "clients" else ""
            server = " ssl verify none" if self.tls == "servers" else ""
            lines += [f"listen {service}", f"    bind *:{port}{bind}"]
            lines += [f"    server s{number} {address}:{server_port}{server}"
                      for number, address in enumerate(SERVERS, 1)]
        return "\n".join(lines) + "\n"


class Nginx(Relay):
    def __init__(self, number):
        super().__init__("nginx", number)
        self.program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if self.program:
            self.version = _version([self.program, "-v"], r"nginx/(\S+)")

    def command(self, configuration):
        return [self.program, "-p", self.folder, "-c", configuration]

    def configuration(self):
        module = "/usr/lib/nginx/modules/ngx_stream_module.so"
        lines = [f"load_module {module};"] if os.path.exists(module) else []
        lines += ["daemon off;", "worker_processes 1;", f"worker_rlimit_nofile {DESCRIPTORS};",
                  "pid nginx.pid;", "error_log stderr warn;",
                  f"events {{ worker_connections {DESCRIPTORS - 500}; }}", "stream {"]
        listen, proxy = "", ""
        if self.tls:
            lines += ["proxy_buffer_size 64k;"]  # as with HAProxy
        if self.tls == "clients":
            # There is no ssl_buffer_size in the stream module: what was read is written at once.
            lines += [f"ssl_certificate {self.certificate};",
                      f"ssl_certificate_key {self.certificate};", "ssl_protocols TLSv1.3;",
                      "ssl_session_cache off;", "ssl_session_tickets on;",
                      "ssl_conf_command NumTickets 1;"]  # OpenSSL's two cost more
            listen = " ssl"
        elif self.tls == "servers":
            proxy = " proxy_ssl on; proxy_ssl_protocols TLSv1.3;"
        for service, port, server_port in self.services():
            lines += [f"upstream {service} {{"]
            lines += [f"    server {address}:{server_port};" for address in SERVERS]
            lines += ["}", f"server {{ listen {port}{listen}; proxy_pass {service}; "
                           f"proxy_timeout 1h;{proxy} }}"]
        return "\n".join(lines) + "\n}\n"


class Culvert(Relay):
    signal_to_end = signal.SIGQUIT  # at once, without a drain

    def __init__(self, name, number, program):
        super().__init__(name, number)
        self.program = os.path.abspath(program)
        self.version = _version([self.program, "-V"], r"(\d+\.\d+\S*)")

    def command(self, configuration):
        return [self.program, "-c", configuration]

    def configuration(self):
        lines = ["[culvert]", "workers = 1", "[log]", "level = warn", "access = off", "[admin]",
                 "socket = admin.sock"]
        listen, pool = [], []
        if self.tls == "clients":
            listen = [f"tls = {self.certificate}"]
        elif self.tls == "servers":
            lines += ["[tls servers]", "verify = none"]
            pool = ["tls = servers"]
        for service, port, server_port in self.services():
            lines += [f"[listen {service}]", f"bind = *:{port}", f"pool = {service}", *listen,
                      f"[pool {service}]", "balance = roundrobin", *pool]
            lines += [f"server = s{number} {address}:{server_port}"
                      for number, address in enumerate(SERVERS, 1)]
        return "\n".join(lines) + "\n"


def available(culverts):
    """The relays that can be measured here, and the names of those whose program is missing."""
    peers = [Haproxy("HAProxy", 0),
             Haproxy("HAProxy splice", 1, ("splice-request", "splice-response")), Nginx(2)]
    relays = [Direct()] + [peer for peer in peers if peer.program]
    for number, program in enumerate(culverts):
        name = "culvert" if number == 0 else f"culvert {number + 1}"
        relays.append(Culvert(name, 3 + number, program))
    return relays, [peer.name for peer in peers if not peer.program]
