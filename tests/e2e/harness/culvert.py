# SPDX-License-Identifier: Apache-2.0
"""One running culvert, seen from outside: configuration, control socket, log, process ledger.

A test writes the sections it cares about as a dictionary; the control socket and a JSON log are
added. The real ports of `127.0.0.1:0` listeners come from the control socket.

    relay = Culvert({"listen main": {"bind": "127.0.0.1:0", "server": server.address}})
    client = connect(relay.address("main"))
"""
import contextlib
import dataclasses
import datetime
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from .wait import SLOW, slowness, wait_until

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BINARY = os.environ.get("CULVERT_BINARY") or os.path.join(ROOT, "build", "src", "culvert")
SANITIZER_WORDS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: ThreadSanitizer",
    "FATAL: ThreadSanitizer",
    "runtime error:",
    "Assertion `",
    "DEADLYSIGNAL",
)


def find_sanitizer():
    """The sanitizer the binary was built with: 'address', 'thread' or ''."""
    try:
        with open(BINARY, "rb") as file:
            content = file.read()
    except OSError:
        return ""
    if b"__asan_init" in content:
        return "address"
    if b"__tsan_init" in content:
        return "thread"
    return ""


SANITIZER = find_sanitizer()


def render(sections):
    """A dictionary of sections as INI text. A list value repeats its key; True and False are yes and no."""
    lines = []
    for header, keys in sections.items():
        lines.append(f"[{header}]")
        for key, value in keys.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(one, bool):
                    one = "yes" if one else "no"
                lines.append(f"{key} = {one}")
        lines.append("")
    return "\n".join(lines)


class StartFailed(AssertionError):
    def __init__(self, code, stderr):
        super().__init__(f"culvert did not start: exit code {code}\n{stderr}")
        self.code = code
        self.stderr = stderr


class ControlConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("culvert", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Metrics:
    """A scrape: metrics.value("culvert_sessions", listener="main") adds up all series that match."""

    LINE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)(?: [^ ]+)?$')
    LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        self.text = text
        self.series = []
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            match = self.LINE.match(line)
            assert match, f"not a line of the text exposition format: {line!r}"
            labels = dict(self.LABEL.findall(match.group(2) or ""))
            self.series.append((match.group(1), labels, float(match.group(3))))

    def value(self, name, **labels):
        found = [value for series, has, value in self.series
                 if series == name and all(has.get(key) == want for key, want in labels.items())]
        return sum(found)

    def has(self, name, **labels):
        return any(series == name and all(has.get(key) == want for key, want in labels.items())
                   for series, has, value in self.series)


@dataclasses.dataclass
class ProcessLedger:
    fds: int
    sockets: int
    pipes: int
    other: int
    rss_kb: int
    anonymous_kb: int
    peak_kb: int
    threads: int
    cpu_s: float
    switches: int


def run_culvert(*args, env=None, input=None, seconds=20, **more):
    """Run culvert to its end (a check, a version) and return the CompletedProcess."""
    return subprocess.run([BINARY, *args], env=clean_environment(env), input=input, text=True,
                          capture_output=True, timeout=seconds * SLOW, **more)


def clean_environment(extra=None):
    environment = {key: value for key, value in os.environ.items()
                   if not key.startswith("CULVERT_") or key.startswith("CULVERT_TEST_")}
    environment.pop("NOTIFY_SOCKET", None)
    environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
    environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    environment.setdefault("TSAN_OPTIONS", "halt_on_error=0:second_deadlock_stack=1")
    environment.update(extra or {})
    return environment


class Culvert:
    """A culvert process. `wrapper` is a command put before the binary (strace, prlimit, ...)."""

    def __init__(self, sections, *, env=None, args=(), wrapper=(), workers=1, user=None,
                 wait_ready=True, stderr=None, log=None, control=True, preexec=None, limits=None,
                 directory=None, config_text=None, traced=False, control_may_fail=False):
        self.directory = directory or tempfile.mkdtemp(prefix="culvert-")
        self.owns_directory = directory is None
        self.socket_path = os.path.join(self.directory, "c.sock")
        self.config_path = os.path.join(self.directory, "culvert.ini")
        self.stderr_path = os.path.join(self.directory, "stderr")
        self.uses_file_log = stderr is None
        self.records_read = []
        self.ends_by_client = {}
        self.records_given = set()
        self.log_offset = 0
        self.checked = False
        self.stopped_by_test = False
        self.exit_code = None
        self.base = None
        self.control_tries = 20 if control_may_fail else 1
        self.traced = traced or bool(wrapper and "strace" in wrapper[0])

        whole = {"culvert": {"workers": workers}}
        if control:
            whole["admin"] = {"socket": self.socket_path, "bind": "off"}
        whole["log"] = {"format": "json"}
        whole["log"].update(log or {})
        if limits:
            whole["limits"] = dict(limits)
        for header, keys in sections.items():
            whole.setdefault(header, {}).update(keys)
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(config_text if config_text is not None else render(whole))

        environment = clean_environment(env)
        if self.traced and SANITIZER == "address":
            environment["ASAN_OPTIONS"] += ":detect_leaks=0"
        if user is not None:
            os.chown(self.directory, user, user)
            wrapper = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *wrapper)
        self.stderr_file = stderr if stderr is not None else open(self.stderr_path, "wb")
        self.process = subprocess.Popen(
            [*wrapper, BINARY, "-c", self.config_path, *args], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.stderr_file,
            preexec_fn=preexec)
        self.pid = self.process.pid
        if wait_ready:
            self.wait_ready()

    # -- life ------------------------------------------------------------------------------------

    def wait_ready(self, seconds=15):
        wait_until(self.is_ready, seconds, lambda: f"/readyz\n{self.stderr_text()}")
        if self.traced:
            self.pid = self.find_traced_pid()
        self.base = self.quiet_ledger()

    def quiet_ledger(self):
        """The ledger without the control connections that just ended: the least of some looks."""
        looks = []
        wait_until(lambda: looks.append(self.ledger()) or len(looks) >= 6, 5, "a look at the process")
        return min(looks, key=lambda one: one.sockets)

    def is_ready(self):
        code = self.process.poll()
        if code is not None:
            raise StartFailed(code, self.stderr_text())
        try:
            return self.get("/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def find_traced_pid(self):
        """Under a tracer our child is the tracer and culvert is its child."""
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children, encoding="ascii") as file:
            pids = file.read().split()
        return int(pids[0]) if pids else self.process.pid

    def alive(self):
        return self.process.poll() is None

    def send_signal(self, number):
        os.kill(self.pid, number)

    def wait_exit(self, seconds=10):
        """Wait for the end and return the exit code."""
        try:
            self.exit_code = self.process.wait(seconds * slowness())
        except subprocess.TimeoutExpired:
            raise AssertionError(f"culvert still runs {seconds} s (scaled) after it was told to stop\n"
                                 f"{self.stderr_text()[-3000:]}") from None
        self.stopped_by_test = True
        return self.exit_code

    def stop(self, number=signal.SIGQUIT, seconds=10):
        self.send_signal(number)
        return self.wait_exit(seconds)

    @contextlib.contextmanager
    def frozen(self):
        """The process stands still: what happens meanwhile reaches it in one wake-up."""
        self.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: read_fields(f"/proc/{self.pid}/status")["State"][0] in "Tt", 5,
                       "the process to stand still")
            yield
        finally:
            self.send_signal(signal.SIGCONT)

    def kill_hard(self):
        """SIGKILL, as an operator or the kernel would; nothing more is demanded of this process."""
        self.send_signal(signal.SIGKILL)
        self.wait_exit()

    def kill(self):
        if self.process.poll() is None:
            if self.traced:
                try:
                    os.kill(self.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.kill()
            self.process.wait()
        if self.uses_file_log:
            self.stderr_file.close()
        if self.owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def check_and_stop(self):
        """What every test demands at its end: alive, no session and no descriptor left, clean exit."""
        if self.checked:
            return
        self.checked = True
        try:
            if not self.stopped_by_test:
                code = self.process.poll()
                assert code is None, f"culvert died with {code}\n{self.stderr_text()[-6000:]}"
                if self.base is not None:
                    self.wait_idle()
                code = self.stop(signal.SIGQUIT)
                assert code == 0, f"exit code {code} after QUIT\n{self.stderr_text()[-6000:]}"
            self.check_reports()
        finally:
            self.kill()

    def check_reports(self):
        text = self.stderr_text()
        for word in SANITIZER_WORDS:
            if word in text:
                start = max(0, text.index(word) - 200)
                raise AssertionError(f"report in the error output: {text[start:start + 6000]}")

    def wait_idle(self, seconds=10):
        """All sessions over, all sockets closed; only pooled pipes may be more than at the start."""
        wait_until(lambda: self.sessions_total() == 0, seconds,
                   lambda: f"the last session to end; left: {self.get_json('/api/v1/sessions')}")
        wait_until(self.fds_at_base, seconds,
                   lambda: f"descriptors back at {self.base}; now {self.ledger()}, {self.fd_names()}")

    def wait_places(self, taken, seconds=5):
        """Until `taken` sessions hold a place in the process. A session that ends gives its worker's
        place back last, so all its other ones are free as well."""
        wait_until(lambda: self.metric("culvert_worker_sessions") == taken, seconds,
                   lambda: f"{taken} places to be taken; left: {self.get_json('/api/v1/sessions')}")

    def wait_quiet(self, seconds=5):
        """Until no control connection of ours is open any more: the descriptors stand still."""
        counts = []

        def still():
            counts.append(self.ledger().fds)
            return len(counts) >= 5 and len(set(counts[-5:])) == 1

        wait_until(still, seconds, "the descriptors to stand still")

    def fds_at_base(self):
        now = self.ledger()
        if now.sockets > self.base.sockets or now.other > self.base.other:
            return False
        idle_pipes = int(self.metrics().value("culvert_pipes", state="idle"))
        used_pipes = int(self.metrics().value("culvert_pipes", state="used"))
        return used_pipes == 0 and now.pipes <= self.base.pipes + 2 * idle_pipes

    # -- control socket --------------------------------------------------------------------------

    def get(self, path, seconds=5, method="GET", body=None, headers=None):
        """One request over the control socket: (status, body as text)."""
        for _ in range(self.control_tries - 1):
            try:
                return self.request(path, seconds, method, body, headers)
            except (OSError, http.client.HTTPException):
                pass
        return self.request(path, seconds, method, body, headers)

    def request(self, path, seconds, method, body, headers):
        connection = ControlConnection(self.socket_path, seconds * SLOW)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8")
        finally:
            connection.close()

    def get_json(self, path, **more):
        status, text = self.get(path, **more)
        assert status == 200, f"GET {path}: {status} {text}"
        return json.loads(text)

    def listeners(self):
        return {one["name"]: one for one in self.get_json("/api/v1/listeners")["listeners"]}

    def addresses(self, listener="main"):
        return self.listeners()[listener]["addresses"]

    def address(self, listener="main"):
        """The first real address of a listener, as it would be written in the INI file."""
        return self.addresses(listener)[0]

    def overview(self):
        return self.get_json("/api/v1/overview")

    def sessions(self, query=""):
        return self.get_json("/api/v1/sessions" + query)["sessions"]

    def sessions_total(self):
        return sum(one["sessions"] for one in self.listeners().values())

    def accepted_total(self):
        return sum(one["accepted_total"] for one in self.listeners().values())

    def metrics(self):
        status, text = self.get("/metrics")
        assert status == 200
        return Metrics(text)

    def metric(self, name, **labels):
        return self.metrics().value(name, **labels)

    def wait_metric(self, name, wanted, seconds=5, **labels):
        """Waits until a counter is `wanted`, no more. A worker counts a moment after the peer has
        seen what is counted, so nothing is asserted of a counter right behind that."""
        what = name + "".join(f" {key}={value}" for key, value in labels.items())
        wait_until(lambda: self.metric(name, **labels) >= wanted, seconds,
                   lambda: f"{what} to be {wanted}; it is {self.metric(name, **labels)}")
        value = self.metric(name, **labels)
        assert value == wanted, f"{what} is {value}, not {wanted}"

    def wait_metric_from(self, name, least, seconds=5, **labels):
        """Waits until a counter is `least` or more, and returns it."""
        wait_until(lambda: self.metric(name, **labels) >= least, seconds,
                   lambda: f"{name} {labels} to be at least {least}")
        return self.metric(name, **labels)

    # -- log -------------------------------------------------------------------------------------

    def stderr_text(self):
        if not self.uses_file_log:
            return ""
        with open(self.stderr_path, "rb") as file:
            return file.read().decode("utf-8", "replace")

    def records(self):
        """All log records so far. A line that is not JSON is kept as {'text': line}."""
        with open(self.stderr_path, "rb") as file:
            file.seek(self.log_offset)
            fresh = file.read()
        whole, newline, rest = fresh.rpartition(b"\n")
        self.log_offset += len(whole) + len(newline)
        for line in whole.split(b"\n") if newline else []:
            try:
                record = json.loads(line)
            except ValueError:
                record = {"text": line.decode("utf-8", "replace")}
            self.records_read.append(record)
            if record.get("event") == "session_end":
                socket = record.get("client_socket") or record.get("client")
                self.ends_by_client.setdefault(socket, []).append(record)
        return self.records_read

    def session_records(self):
        return [one for one in self.records() if one.get("event") == "session_end"]

    def wait_record(self, predicate, seconds=5, what="a log record"):
        return wait_until(lambda: next((one for one in self.records() if predicate(one)), None),
                          seconds, lambda: f"{what}; the log: {self.records()[-15:]}")

    def record_of(self, client, seconds=5):
        """The session record of a scripted client (peer.Conn) with a TCP address.

        An earlier client may have had the same port: no record is given to two clients, and none
        from long before this one dialled.
        """
        if client.record is None:
            client.record = wait_until(
                lambda: self.next_end_of(client), seconds,
                lambda: f"the session record of {client.name}; the log: {self.records()[-15:]}")
            self.records_given.add(id(client.record))
        return client.record

    def next_end_of(self, client):
        self.records()
        return next((one for one in self.ends_by_client.get(client.name, ())
                     if id(one) not in self.records_given
                     and wall_time(one["time"]) >= client.dialled_at - 1), None)

    def only_record(self, seconds=5):
        """The session record of a test that has exactly one session."""
        self.wait_record(lambda one: one.get("event") == "session_end", seconds, "a session record")
        records = self.session_records()
        assert len(records) == 1, records
        return records[0]

    # -- process ---------------------------------------------------------------------------------

    def fd_names(self):
        names = []
        folder = f"/proc/{self.pid}/fd"
        for fd in os.listdir(folder):
            try:
                names.append(os.readlink(os.path.join(folder, fd)))
            except OSError:
                pass
        return names

    def ledger(self):
        names = self.fd_names()
        sockets = sum(name.startswith("socket:") for name in names)
        pipes = sum(name.startswith("pipe:") for name in names)
        status = read_fields(f"/proc/{self.pid}/status")
        rollup = read_fields(f"/proc/{self.pid}/smaps_rollup")
        cpu_ns, switches = 0, 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{task}/schedstat", encoding="ascii") as file:
                    cpu_ns += int(file.read().split()[0])
                fields = read_fields(f"/proc/{self.pid}/task/{task}/status")
                switches += int(fields.get("voluntary_ctxt_switches", "0"))
            except OSError:
                pass
        return ProcessLedger(
            fds=len(names), sockets=sockets, pipes=pipes, other=len(names) - sockets - pipes,
            rss_kb=kilobytes(status, "VmRSS"), anonymous_kb=kilobytes(rollup, "Anonymous"),
            peak_kb=kilobytes(status, "VmHWM"), threads=int(status.get("Threads", "0")),
            cpu_s=cpu_ns / 1e9, switches=switches)

    def cpu_s(self):
        """Processor time of the whole process so far, in seconds (exact, not in ticks)."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
            except OSError:
                pass
        return total / 1e9


def wall_time(stamp):
    """A log record's time as seconds since the epoch."""
    return datetime.datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


def read_fields(path):
    fields = {}
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                key, colon, value = line.partition(":")
                if colon:
                    fields[key.strip()] = value.strip()
    except OSError:
        pass
    return fields


def kilobytes(fields, key):
    return int(fields.get(key, "0 kB").split()[0])


def relay_to(server, *, listen=None, pool=None, defaults=None, **sections):
    """The sections of the usual test: one listener `main` before one or more servers.

    `server` is an address, something with an `address`, or a list of them; `listen` and
    `defaults` add keys; further sections come by name with `_` for the blank.
    """
    servers = server if isinstance(server, (list, tuple)) else [server]
    servers = [one if isinstance(one, str) else one.address for one in servers]
    whole = {}
    if defaults:
        whole["defaults"] = defaults
    if pool is None:
        whole["listen main"] = {"bind": "127.0.0.1:0", "server": servers, **(listen or {})}
    else:
        whole["listen main"] = {"bind": "127.0.0.1:0", "pool": "servers", **(listen or {})}
        whole["pool servers"] = {"server": servers, **pool}
    whole.update(sections)
    return whole
