# SPDX-License-Identifier: Apache-2.0
"""Scripted clients and servers: one call per TCP event, so a test reads like the wire.

    server = Listener()                      # a server address for the configuration
    client = connect(relay.address())        # dial the relay
    served = server.accept()                 # what the relay dialled
    client.send(b"question"); client.fin()
    assert served.read_end() == (b"question", FIN)
"""
import atexit
import contextlib
import hashlib
import os
import random
import select
import socket
import struct
import tempfile
import threading
import time

from .wait import SLOW, Deadline, DeadlinePassed, slowness, wait_until

FIN = "FIN"
RST = "RST"
TIMEOUT = "TIMEOUT"

_open_sockets = set()  # kept open until the end of the test, whatever happens to the variables
_unix_folder = None


def close_all():
    """Close everything tests left open, abruptly. Called after each test."""
    while _open_sockets:
        _open_sockets.pop().discard()


def unix_path():
    """A fresh short path for a unix socket."""
    global _unix_folder
    if _unix_folder is None:
        _unix_folder = tempfile.TemporaryDirectory(prefix="culvert-peer-")
        os.chmod(_unix_folder.name, 0o755)
        atexit.register(_unix_folder.cleanup)
    return os.path.join(_unix_folder.name, f"{random.getrandbits(48):x}.s")


def parse_address(address):
    """An INI address as (family, sockaddr)."""
    if address.startswith("unix:@"):
        return socket.AF_UNIX, "\0" + address[6:]
    if address.startswith("unix:"):
        return socket.AF_UNIX, address[5:]
    host, _, port = address.rpartition(":")
    if host.startswith("["):
        return socket.AF_INET6, (host[1:-1], int(port))
    return socket.AF_INET, (host or "127.0.0.1", int(port))


def format_address(family, sockaddr):
    if family == socket.AF_INET6:
        return f"[{sockaddr[0]}]:{sockaddr[1]}"
    if family == socket.AF_INET:
        return f"{sockaddr[0]}:{sockaddr[1]}"
    if isinstance(sockaddr, bytes):
        return "unix:@" + sockaddr[1:].decode()
    return f"unix:{sockaddr}"


# -- bytes that show where they came from ---------------------------------------------------------


class Pattern:
    """An endless byte sequence in which every lost, doubled or changed byte shows.

    Two patterns with different seeds do not look alike anywhere, so bytes of another session show
    too.
    """

    PERIOD = 4 * 1024 * 1024 - 3  # prime to every buffer size
    _block = random.Random(20261122).randbytes(PERIOD)
    _block += _block[:1024 * 1024]

    def __init__(self, seed):
        self.start = (seed * 2654435761) % Pattern.PERIOD

    def take(self, offset, size):
        pieces = []
        while size > 0:
            at = (self.start + offset) % Pattern.PERIOD
            piece = Pattern._block[at:at + min(size, 1024 * 1024)]
            pieces.append(piece)
            offset += len(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def first_difference(self, offset, data):
        """The offset of the first wrong byte of `data`, which stands at `offset`, or None."""
        want = self.take(offset, len(data))
        if want == data:
            return None
        return offset + next(i for i, (a, b) in enumerate(zip(want, data)) if a != b)

    def check(self, data, offset=0):
        wrong = self.first_difference(offset, data)
        assert wrong is None, f"byte {wrong} of {offset + len(data)} is not the byte that was sent"


def pattern(size, seed=1):
    return Pattern(seed).take(0, size)


def sha(data):
    return hashlib.sha256(data).hexdigest()


# -- one connection -------------------------------------------------------------------------------


class Conn:
    """One end of a connection under a script."""

    backlog = b""  # taken by try_send() and not sent yet: its next call does

    def __init__(self, sock, was_reset=False):
        self.sock = sock
        self.was_reset = was_reset  # a reset came, and a call has taken it from the socket
        sock.setblocking(False)
        self.dialled_at = time.time()
        self.record = None  # the relay's session record, once Culvert.record_of found it
        self.name = ""
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            self.name = format_address(sock.family, sock.getsockname())
        _open_sockets.add(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.discard()

    def discard(self):
        _open_sockets.discard(self)
        if self.sock.fileno() >= 0:
            set_linger_zero(self.sock)
            self.sock.close()

    def peer_name(self):
        return format_address(self.sock.family, self.sock.getpeername())

    def option(self, level, name, value):
        self.sock.setsockopt(level, name, value)
        return self

    def nodelay(self):
        return self.option(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # writing

    def send(self, data, seconds=10):
        """Send all of `data`."""
        deadline = Deadline(seconds)
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view):]
            except BlockingIOError:
                if not poll(self.sock, select.POLLOUT, deadline.left()):
                    raise DeadlinePassed(f"{len(view)} of {len(data)} bytes could not be sent "
                                         f"in {deadline.seconds:.1f} s") from None

    def try_send(self, data):
        """Send some of `data` if the socket has room: how many bytes were taken."""
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0

    def fill(self, quiet=0.3, at_most=64 * 1024 * 1024, seed=1):
        """Send the pattern until nobody takes a byte for `quiet` seconds, or the connection is
        reset; how many were taken."""
        source = Pattern(seed)
        total = 0
        while total < at_most:
            try:
                total += self.sock.send(source.take(total, min(256 * 1024, at_most - total)))
            except (ConnectionResetError, BrokenPipeError):
                self.was_reset = True
                return total
            except BlockingIOError:
                if not poll(self.sock, select.POLLOUT, quiet * slowness()):
                    return total
        return total

    def oob(self, byte=b"U"):
        """One urgent byte."""
        self.sock.send(byte, socket.MSG_OOB)

    def fin(self):
        self.sock.shutdown(socket.SHUT_WR)

    def rst(self):
        """End abruptly: the other side gets a reset."""
        self.discard()

    def close(self):
        _open_sockets.discard(self)
        self.sock.close()

    # reading

    def read_some(self, size=65536, seconds=5):
        """What is there, at least one byte; b'' at the end of the stream; raises on a reset."""
        deadline = Deadline(seconds)
        while True:
            try:
                return self.sock.recv(size)
            except BlockingIOError:
                if not poll(self.sock, select.POLLIN, deadline.left()):
                    raise DeadlinePassed(f"nothing arrived in {deadline.seconds:.1f} s") from None

    def try_read(self):
        """What is there now: bytes, b'' at the end of the stream, None when there is nothing."""
        try:
            return self.sock.recv(1 << 20)
        except BlockingIOError:
            return None

    def read(self, size, seconds=10):
        """Exactly `size` bytes."""
        deadline = Deadline(seconds)
        got = bytearray()
        while len(got) < size:
            try:
                piece = self.sock.recv(min(size - len(got), 1 << 20))
            except BlockingIOError:
                if not poll(self.sock, select.POLLIN, deadline.left()):
                    raise DeadlinePassed(f"{len(got)} of {size} bytes arrived in "
                                         f"{deadline.seconds:.1f} s: {bytes(got[-40:])!r}") from None
                continue
            except ConnectionResetError:
                raise AssertionError(f"a reset after {len(got)} of {size} bytes") from None
            if not piece:
                raise AssertionError(f"the stream ended after {len(got)} of {size} bytes")
            got += piece
        return bytes(got)

    def expect(self, data, seconds=10):
        """The next bytes must be these."""
        got = self.read(len(data), seconds)
        assert got == data, difference(got, data)

    def read_available(self):
        """What has arrived so far, without waiting."""
        got = b""
        try:
            while piece := self.sock.recv(1 << 20):
                got += piece
        except OSError:
            pass
        return got

    def read_end(self, seconds=5):
        """Read to the end: (bytes, FIN | RST | TIMEOUT)."""
        return (b"", RST) if self.was_reset else read_end(self.sock, seconds)

    def expect_end(self, kind, data=b"", seconds=5):
        """Exactly `data`, then the end `kind`, within `seconds`."""
        got, end = self.read_end(seconds)
        assert got == data, difference(got, data) + f", then {end}"
        assert end == kind, f"{end} after {len(got)} bytes, not {kind}"

    def outcome(self, server, seconds=5):
        """Whether this client is served: (what `server` accepted, None) or (None, how it ended)."""
        deadline = Deadline(seconds)
        while True:
            if not server.nobody_came(0.002):
                return server.accept(), None
            if self.was_reset or poll(self.sock, select.POLLIN | select.POLLRDHUP, 0.002):
                return None, self.read_end(1)[1]
            assert not deadline.passed(), "neither served nor refused"

    def is_silent(self, seconds=0.05):
        """Nothing to read, neither bytes nor an end, for `seconds` (not scaled)."""
        events = poll(self.sock, select.POLLIN | select.POLLRDHUP, seconds)
        return not events

    def wait_reset(self, seconds=5):
        """A reset reached this socket (also one that followed an end of stream)."""
        if self.was_reset:
            return
        deadline = Deadline(seconds)
        poller = select.poll()
        poller.register(self.sock.fileno(), 0)
        assert poller.poll(deadline.left() * 1000), "no reset came"
        assert poller.poll(0)[0][1] & select.POLLERR or self.sock.getsockopt(
            socket.SOL_SOCKET, socket.SO_ERROR) != 0, "the connection is over, but not by a reset"

    def unsent(self):
        """Bytes in the send queue that the other side has not acknowledged."""
        import fcntl
        import termios
        return struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0\0\0\0"))[0]


def difference(got, want):
    if got == want:
        return "equal"
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    return (f"{len(got)} bytes, not {len(want)}; they differ at {at}: "
            f"{got[at:at + 24]!r} and not {want[at:at + 24]!r}")


def poll(sock, events, seconds):
    poller = select.poll()
    poller.register(sock, events)
    found = poller.poll(max(0, seconds) * 1000)
    return found[0][1] if found else 0


def set_linger_zero(sock):
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass


def rst(sock):
    set_linger_zero(sock)
    sock.close()


def fin(sock):
    sock.shutdown(socket.SHUT_WR)


def read_end(sock, seconds=5):
    """Read to the end: (bytes, FIN | RST | TIMEOUT)."""
    deadline = Deadline(seconds)
    sock.setblocking(False)
    got = []
    while True:
        try:
            piece = sock.recv(1 << 20)
        except BlockingIOError:
            if not poll(sock, select.POLLIN, deadline.left()):
                return b"".join(got), TIMEOUT
            continue
        except (ConnectionResetError, BrokenPipeError):
            return b"".join(got), RST
        if not piece:
            return b"".join(got), FIN
        got.append(piece)


def connect(address, *, seconds=5, source=None, sndbuf=None, rcvbuf=None, maxseg=None, wait=True):
    """Dial `address` (as written in an INI file). Small buffers must be set before the handshake."""
    dialled_at = time.time()
    family, sockaddr = parse_address(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sndbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
    if rcvbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    if maxseg:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, maxseg)
    if source:
        sock.bind((source, 0))
    was_reset = False
    if wait:
        sock.settimeout(seconds * SLOW)
        try:
            sock.connect(sockaddr)
        except ConnectionResetError:
            was_reset = True
    else:
        sock.setblocking(False)
        sock.connect_ex(sockaddr)
    conn = Conn(sock, was_reset)
    conn.dialled_at = dialled_at
    return conn


class Background:
    """A call in a thread; `result()` waits for its answer or raises its failure."""

    def __init__(self, call, *args):
        self.answer = self.failure = None

        def run():
            try:
                self.answer = call(*args)
            except BaseException as error:  # raised again in result()
                self.failure = error

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def result(self, seconds=30):
        self.thread.join(seconds * SLOW)
        assert not self.thread.is_alive(), "the background call does not end"
        if self.failure:
            raise self.failure
        return self.answer


def reading(conn, seconds=30):
    """Read `conn` to its end in the background: reading(conn).result() == (bytes, kind)."""
    return Background(conn.read_end, seconds)


def wait_acknowledged(conn, seconds=10):
    """Until the relay's kernel holds everything `conn` sent: a reset now overtakes nothing."""
    wait_until(lambda: conn.unsent() == 0, seconds, lambda: f"{conn.unsent()} bytes to be acknowledged")


# -- servers --------------------------------------------------------------------------------------


class Listener:
    """A listening socket under a script: family is 'v4', 'v6', 'unix' or 'abstract'."""

    def __init__(self, family="v4", *, host=None, port=0, backlog=4096, sndbuf=None, rcvbuf=None,
                 maxseg=None, listening=True, path=None):
        if family == "v4":
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sockaddr = (host or "127.0.0.1", port)
        elif family == "v6":
            self.sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sockaddr = (host or "::1", port)
        elif family == "unix":
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sockaddr = path or unix_path()
        else:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sockaddr = f"\0culvert-peer-{os.getpid()}-{random.getrandbits(48):x}"
        if family in ("v4", "v6"):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sndbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if maxseg:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, maxseg)
        self.sock.bind(sockaddr)
        if family == "unix":
            os.chmod(sockaddr, 0o777)
        if listening:
            self.sock.listen(backlog)
        self.sock.setblocking(False)
        self.address = format_address(self.sock.family, self.sock.getsockname())
        self.accepted = 0
        _open_sockets.add(self)

    @property
    def port(self):
        return self.sock.getsockname()[1]

    def listen(self, backlog=4096):
        self.sock.listen(backlog)

    def accept(self, seconds=5):
        deadline = Deadline(seconds)
        while True:
            try:
                sock, _ = self.sock.accept()
            except BlockingIOError:
                if not poll(self.sock, select.POLLIN, deadline.left()):
                    raise DeadlinePassed(f"no connection reached {self.address} in "
                                         f"{deadline.seconds:.1f} s") from None
                continue
            self.accepted += 1
            return Conn(sock)

    def nobody_came(self, seconds=0.05):
        """No connection waits here for `seconds` (not scaled)."""
        return not poll(self.sock, select.POLLIN, seconds)

    def close(self):
        """From now on nobody listens here. A TCP port stays taken until the test has ended, so that
        nobody who runs beside it answers there; a new Listener may have it."""
        if self.sock.family == socket.AF_UNIX or self.sock.fileno() == -1:
            self.discard()
            return
        with contextlib.suppress(OSError):  # it did not listen
            self.sock.shutdown(socket.SHUT_RDWR)

    def discard(self):
        _open_sockets.discard(self)
        self.sock.close()


class Blackhole(Listener):
    """A server address that answers no SYN: its accept queue is full. open() lets the world in."""

    def __init__(self):
        super().__init__(backlog=0)
        self.fillers = []
        while not self.is_full():
            self.fillers.append(connect(self.address))
            wait_until(lambda: self.queue()[0] == len(self.fillers), 5, "a place in the queue to be taken")
            assert len(self.fillers) < 64, "the accept queue never fills"

    def queue(self):
        """How many wait to be accepted, and the backlog (tcpi_unacked and tcpi_sacked)."""
        return struct.unpack_from("II", self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32), 24)

    def is_full(self):
        """The kernel drops a SYN when more than the backlog wait."""
        waiting, backlog = self.queue()
        return waiting > backlog

    def open(self):
        """Take everybody out of the queue and make it long: the next SYN (a retransmission after
        1, 3, 7 s) is answered."""
        self.sock.listen(64)
        for filler in self.fillers:
            self.accept().discard()
        for filler in self.fillers:
            filler.discard()


def refused_address(family="v4"):
    """An address nobody listens on. The socket that reserves the port stays bound, so no test
    running beside this one can get it."""
    holder = Listener(family, listening=False)
    _held.append(holder)
    return holder.address


_held = []


class Seen:
    """What a recording server saw of one connection."""

    def __init__(self, number):
        self.number = number
        self.received = b""
        self.sha = ""
        self.end = None
        self.accepted_at = time.monotonic()
        self.first_byte_at = None
        self.end_at = None

    def as_row(self):
        return {"number": self.number, "recv": len(self.received), "sha": self.sha, "end": self.end}


class Server(Listener):
    """A server in threads: `behaviour(conn)` for each connection, what it saw in `self.seen`.

    Without a behaviour it reads to the end and answers an end with an end.
    """

    def __init__(self, behaviour=None, family="v4", **more):
        super().__init__(family, **more)
        self.behaviour = behaviour or self.record
        self.seen = []
        self.errors = []
        self.running = True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.running:
            try:
                if not poll(self.sock, select.POLLIN, 0.2):
                    continue
                sock, _ = self.sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue
            except (OSError, ValueError):
                return
            self.accepted += 1
            threading.Thread(target=self.serve, args=(Conn(sock),), daemon=True).start()

    def serve(self, conn):
        try:
            self.behaviour(conn)
        except (OSError, ValueError, AssertionError) as error:
            self.errors.append(error)
        finally:
            conn.close()

    def record(self, conn):
        seen = Seen(len(self.seen))
        self.seen.append(seen)
        poll(conn.sock, select.POLLIN, 60)
        seen.first_byte_at = time.monotonic()
        data, end = conn.read_end(60)
        seen.received, seen.sha, seen.end_at = data, sha(data), time.monotonic()
        seen.end = end  # last: who sees it finds the rest
        conn.close()

    def close(self):
        self.running = False
        super().close()

    def discard(self):
        self.running = False
        super().discard()


class EchoServer(Server):
    """Sends back what it gets and the end after it. One thread per connection."""

    def __init__(self, family="v4", greeting=b"", **more):
        self.greeting = greeting
        super().__init__(self.echo, family, **more)

    def echo(self, conn):
        with conn:
            if self.greeting:
                conn.send(self.greeting)
            while True:
                try:
                    data = conn.read_some(1 << 16, 600)
                except ConnectionResetError:
                    return
                if not data:
                    conn.fin()
                    conn.close()
                    return
                conn.send(data, 600)


class NamedServer(Server):
    """Says its name to whoever comes, then echoes: shows which server a session reached."""

    def __init__(self, name, **more):
        self.title = name
        self.open = 0
        self.total = 0
        super().__init__(self.greet, **more)

    def greet(self, conn):
        self.open += 1
        self.total += 1
        with conn:
            try:
                conn.send(self.title.encode() + b"\n")
                conn.read_end(600)
            finally:
                self.open -= 1  # before the relay can know that it is over
            conn.close()


def read_line(conn, seconds=5):
    """One line, read byte by byte (short greetings only)."""
    line = b""
    while not line.endswith(b"\n"):
        piece = conn.read_some(1, seconds)
        assert piece, f"the stream ended inside a line: {line!r}"
        line += piece
    return line[:-1].decode()


# -- a session through the relay ------------------------------------------------------------------


def pair(relay, server, listener="main", **more):
    """A fresh session through `relay`: (client, served), both under the test's control."""
    client = connect(relay.address(listener), **more)
    return client, server.accept()


def exchange(client, served):
    """One byte each way: the session is surely in its relay state."""
    client.send(b"?")
    served.expect(b"?")
    served.send(b"!")
    client.expect(b"!")


def stream(source, destination, size, *, seed=1, chunk=256 * 1024, seconds=30):
    """Move `size` pattern bytes from one end to the other, reading while sending."""
    deadline = Deadline(seconds)
    what = Pattern(seed)
    sent = received = 0
    while received < size:
        data = destination.try_read()
        if data is None:
            is_sending = sent < size or source.backlog
            events = poll_two(source if is_sending else None, destination, deadline.left())
            assert events, (f"{received} of {size} bytes arrived in {deadline.seconds:.1f} s "
                            f"(sent {sent})")
            if is_sending:
                sent += source.try_send(what.take(sent, min(chunk, size - sent)))
            continue
        assert data, f"the stream ended after {received} of {size} bytes"
        wrong = what.first_difference(received, data)
        assert wrong is None, f"byte {wrong} of {size} is wrong"
        received += len(data)
    assert received == size


def poll_two(writer, reader, seconds):
    poller = select.poll()
    if writer is not None:
        poller.register(writer.sock, select.POLLOUT)
    poller.register(reader.sock, select.POLLIN)
    return poller.poll(max(0, seconds) * 1000)


def start_splicing(relay, source, destination, seconds=10):
    """Stream in bulk until the relay's counters say that this direction is spliced."""
    before = relay.metric("culvert_relayed_bytes_total", path="splice")
    deadline = Deadline(seconds)
    while relay.metric("culvert_relayed_bytes_total", path="splice") <= before:
        assert not deadline.passed(), "a bulk stream is not spliced"
        stream(source, destination, 1024 * 1024)
