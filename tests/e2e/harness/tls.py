# SPDX-License-Identifier: Apache-2.0
"""Scripted TLS ends: OpenSSL runs on memory, the bytes travel by our own calls.

So a test decides when a close_notify goes out, whether a FIN, a reset or nothing follows it, how
the bytes are cut, and what is sent behind the end.

    client = start_tls(connect(relay.address()), name="server.test")    # handshake done
    client.send(b"question"); client.fin()                 # close_notify, then FIN
    client.close_notify(); client.cut(); client.rst()      # close_notify alone; FIN alone; reset
    client.read_end() == (bytes, FIN | TRUNCATED | NOTIFIED | RST | ...)
"""
import ctypes
import functools
import random
import select
import socket
import ssl
import struct
import warnings

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from . import peer
from .certificates import authority, server_identity
from .culvert import relay_to
from .peer import FIN, RST, TIMEOUT, Conn, Pattern, connect, difference, poll
from .wait import Deadline, DeadlinePassed, slowness

# How a TLS stream ends; FIN is close_notify and then the end of the TCP stream, RST a reset alone.
TRUNCATED = "FIN without close_notify"
NOTIFIED = "close_notify alone"
NOTIFIED_RST = "close_notify, then RST"
BROKEN = "broken TLS"

TLS12 = "1.2"
TLS13 = "1.3"
VERSIONS = {TLS12: ssl.TLSVersion.TLSv1_2, TLS13: ssl.TLSVersion.TLSv1_3}


class HandshakeFailed(AssertionError):
    """`reason` is OpenSSL's word ("TLSV1_UNRECOGNIZED_NAME"), RST or FIN."""

    def __init__(self, reason):
        super().__init__(f"the handshake failed: {reason}")
        self.reason = reason


def word_of(error):
    """OpenSSL's word for an error; python does not know all of them, but has the sentence."""
    sentence = str(error).partition("] ")[2].partition(" (")[0]
    return error.reason or sentence.upper().replace(" ", "_")


# -- what python keeps to itself ------------------------------------------------------------------

KEY_UPDATE_NOT_REQUESTED, KEY_UPDATE_REQUESTED = 0, 1
_CTRL_SET_MAX_SEND_FRAGMENT = 52


@functools.lru_cache(maxsize=1)
def libssl():
    library = ctypes.CDLL("libssl.so.3")
    for name, result, arguments in (
            ("SSL_get_version", ctypes.c_char_p, [ctypes.c_void_p]),
            ("SSL_key_update", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
            ("SSL_renegotiate", ctypes.c_int, [ctypes.c_void_p]),
            ("SSL_do_handshake", ctypes.c_int, [ctypes.c_void_p]),
            ("SSL_ctrl", ctypes.c_long, [ctypes.c_void_p, ctypes.c_int, ctypes.c_long,
                                         ctypes.c_void_p])):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def ssl_pointer(wrapped):
    """The SSL* behind python's object: it stands after the object's head and its socket."""
    at = id(wrapped._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)
    pointer = ctypes.c_void_p.from_address(at).value
    version = wrapped.version()
    assert version is None or libssl().SSL_get_version(pointer) == version.encode()
    return pointer


# -- contexts -------------------------------------------------------------------------------------


def limit_versions(context, version):
    if version:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def client_context(*, trust=None, version=None, identity=None, alpn=None, ciphers=None,
                   any_name=False):
    """For a client that demands a certificate of our authority (or of `trust`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = not any_name
    limit_versions(context, version)
    context.load_verify_locations(cadata=(trust or authority()).text)
    if identity:
        context.load_cert_chain(identity.cert, identity.key)
    if alpn:
        context.set_alpn_protocols(alpn)
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def server_context(identity=None, *, version=None, trust=None, alpn=None, ciphers=None):
    """For a server; with `trust` it demands a client certificate of that authority."""
    identity = identity or server_identity()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    limit_versions(context, version)
    context.load_cert_chain(identity.cert, identity.key)
    if trust:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=trust.text)
    if alpn:
        context.set_alpn_protocols(alpn)
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def old_client_context(version):
    """A client that offers no more than an outdated version."""
    context = client_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


# -- one end --------------------------------------------------------------------------------------


class TlsConn(Conn):
    """Takes a connection over. `piece` cuts what is sent into calls of that many bytes."""

    def __init__(self, conn, context, *, server=False, name=None, session=None, piece=None):
        self.__dict__.update(conn.__dict__)
        peer._open_sockets.discard(conn)
        peer._open_sockets.add(self)
        self.piece = piece
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self.incoming, self.outgoing, server_side=server,
                                    server_hostname=None if server else name, session=session)
        self.plain = bytearray()  # decrypted and not yet asked for
        self.notified = False     # close_notify came
        self.raw_end = None       # FIN or RST of the TCP stream
        self.broken = None        # OpenSSL's word for what is wrong with the stream

    # raw bytes

    def send_raw(self, data, seconds=10):
        if self.piece is None:
            return super().send(data, seconds)
        for start in range(0, len(data), self.piece):
            super().send(data[start:start + self.piece], seconds)

    def flush(self, seconds=10):
        """Send what OpenSSL wants sent."""
        if self.backlog or self.outgoing.pending:
            data, self.backlog = self.backlog + self.outgoing.read(), b""
            self.send_raw(data, seconds)

    def feed(self, seconds):
        """Wait for raw bytes or an end; False when nothing came in time."""
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            if not poll(self.sock, select.POLLIN, seconds):
                return False
            return self.feed(0)
        except (ConnectionResetError, BrokenPipeError):
            self.raw_end = RST
            return True
        if data:
            self.incoming.write(data)
        else:
            self.raw_end = FIN
        return True

    # handshake

    def handshake(self, seconds=10):
        deadline = Deadline(seconds)
        if self.was_reset:
            raise HandshakeFailed(RST)
        while True:
            try:
                self.ssl.do_handshake()
                self.flush(deadline.left())
                return self
            except ssl.SSLWantReadError:
                self.flush_or_fail(deadline.left())
            except ssl.SSLError as error:
                self.flush_or_fail(deadline.left())
                raise HandshakeFailed(word_of(error)) from None
            if self.raw_end:
                raise HandshakeFailed(self.raw_end)
            if not self.feed(deadline.left()):
                raise DeadlinePassed(f"no handshake in {deadline.seconds:.1f} s")

    def flush_or_fail(self, seconds):
        try:
            self.flush(seconds)
        except (ConnectionResetError, BrokenPipeError):
            self.raw_end = RST

    def hello(self):
        """The client's first flight, without sending it."""
        try:
            self.ssl.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    @property
    def version(self):
        return self.ssl.version()

    @property
    def peer_certificate(self):
        """DER"""
        return self.ssl.getpeercert(True)

    def update_key(self, requested=False, at_once=False):
        """TLS 1.3: a new key for what we send, announced with the next bytes or at once."""
        kind = KEY_UPDATE_REQUESTED if requested else KEY_UPDATE_NOT_REQUESTED
        pointer = ssl_pointer(self.ssl)
        assert libssl().SSL_key_update(pointer, kind) == 1
        if at_once:
            assert libssl().SSL_do_handshake(pointer) == 1
            self.flush()

    def limit_records(self, size):
        """Records of at most `size` bytes (512 to 16384)."""
        assert libssl().SSL_ctrl(ssl_pointer(self.ssl), _CTRL_SET_MAX_SEND_FRAGMENT, size, None) == 1

    def renegotiate(self):
        """TLS 1.2: start another handshake in the connection."""
        pointer = ssl_pointer(self.ssl)
        assert libssl().SSL_renegotiate(pointer) == 1
        libssl().SSL_do_handshake(pointer)
        self.flush()

    # writing

    def encrypt(self, data):
        self.ssl.write(data)
        return self.outgoing.read()

    def send(self, data, seconds=10):
        deadline = Deadline(seconds)
        view = memoryview(data)
        for start in range(0, len(view), 1 << 16):
            self.ssl.write(view[start:start + (1 << 16)])
            self.flush(deadline.left())

    def try_send(self, data):
        """Encrypt some of `data` once all before it is sent: how many bytes were taken."""
        taken = 0
        if not self.backlog:
            taken = self.ssl.write(data[:1 << 16]) if data else 0
            self.backlog = self.outgoing.read()
        while self.backlog:
            try:
                self.backlog = self.backlog[self.sock.send(self.backlog):]
            except BlockingIOError:
                break
        return taken

    def close_notify(self):
        """The end of our stream, as far as TLS is concerned. The socket stays open."""
        self.decrypt()
        try:
            self.ssl.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def fin(self):
        self.close_notify()
        self.cut()

    def cut(self):
        """The end of the TCP stream."""
        self.sock.shutdown(socket.SHUT_WR)

    def fill(self, quiet=0.3, at_most=64 * 1024 * 1024, seed=1):
        """Send the pattern until nobody takes a byte for `quiet` seconds, or the connection is
        reset; how many bytes were encrypted (the last of them may wait in `backlog`)."""
        source = Pattern(seed)
        total = 0
        while total < at_most or self.backlog:
            if not poll(self.sock, select.POLLOUT, quiet * slowness()):
                return total
            try:
                total += self.try_send(source.take(total, min(1 << 16, at_most - total)))
            except (ConnectionResetError, BrokenPipeError):
                self.was_reset = True
                return total
        return total

    # reading

    def decrypt(self):
        """Everything that has arrived, into `plain`."""
        while not self.notified and not self.broken:
            try:
                data = self.ssl.read(1 << 18)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                self.notified = True
                break
            except ssl.SSLError as error:
                self.broken = word_of(error)
                break
            if not data:
                self.notified = True
                break
            self.plain += data
        self.flush_or_fail(5)  # answers to key updates

    def advance(self, seconds):
        """Until there is something new; False when nothing came in time."""
        if not self.feed(seconds):
            return False
        self.decrypt()
        return True

    @property
    def over(self):
        return self.notified or self.broken or self.raw_end

    def take(self, size):
        data = bytes(self.plain[:size])
        del self.plain[:size]
        return data

    def read_some(self, size=65536, seconds=5):
        deadline = Deadline(seconds)
        self.decrypt()
        while not self.plain:
            if self.notified:
                return b""
            if self.raw_end == RST:
                raise ConnectionResetError
            assert not self.raw_end, "a FIN without close_notify"
            assert not self.broken, f"the TLS stream is broken: {self.broken}"
            if not self.advance(deadline.left()):
                raise DeadlinePassed(f"nothing arrived in {deadline.seconds:.1f} s")
        return self.take(size)

    def try_read(self):
        """What is there now: bytes, b'' at the end of the stream, None when there is nothing."""
        self.decrypt()
        while not self.plain and not self.over and self.advance(0):
            pass
        if self.plain:
            return self.take(len(self.plain))
        assert not self.over or self.notified, f"the stream ended: {self.raw_end or self.broken}"
        return b"" if self.notified else None

    def read(self, size, seconds=10):
        deadline = Deadline(seconds)
        self.decrypt()
        while len(self.plain) < size:
            assert not self.over, (f"the stream ended after {len(self.plain)} of {size} bytes: "
                                   f"{self.end_kind()}")
            if not self.advance(deadline.left()):
                raise DeadlinePassed(f"{len(self.plain)} of {size} bytes arrived in "
                                     f"{deadline.seconds:.1f} s")
        return self.take(size)

    def read_available(self):
        while not self.over and self.advance(0):
            pass
        return self.take(len(self.plain))

    def end_kind(self):
        if self.broken:
            return BROKEN
        if self.notified:
            return {FIN: FIN, RST: NOTIFIED_RST, None: NOTIFIED}[self.raw_end]
        return {FIN: TRUNCATED, RST: RST, None: TIMEOUT}[self.raw_end]

    def read_end(self, seconds=5):
        """Read to the end of TLS and of TCP: (bytes, kind)."""
        deadline = Deadline(seconds)
        if self.was_reset:
            return b"", RST
        self.decrypt()
        while not self.raw_end and not self.broken:
            if not self.advance(deadline.left()):
                break
        return self.take(len(self.plain)), self.end_kind()

    def expect_notify(self, data=b"", seconds=5):
        """Exactly `data`, then close_notify; whether a FIN follows does not matter."""
        deadline = Deadline(seconds)
        self.decrypt()
        while not self.over and self.advance(deadline.left()):
            pass
        assert self.notified, f"no close_notify: {self.end_kind()} {self.broken or ''}"
        got = self.take(len(self.plain))
        assert got == data, difference(got, data)

    def is_silent(self, seconds=0.05):
        self.decrypt()
        return not self.plain and not self.over and super().is_silent(seconds)


def start_tls(conn, context=None, *, name="server.test", session=None, piece=None, seconds=10):
    """A client's handshake over `conn`."""
    return TlsConn(conn, context or client_context(), name=name, session=session,
                   piece=piece).handshake(seconds)


def answer_tls(conn, context=None, *, piece=None, seconds=10):
    """A server's handshake over `conn`."""
    return TlsConn(conn, context or server_context(), server=True, piece=piece).handshake(seconds)


# -- sessions with TLS on one side or both --------------------------------------------------------

TC, TS, TT = "TC", "TS", "TT"  # TLS to the client, to the server, to both
PLANES = (TC, TS, TT)


class Plane:
    """Which sides speak TLS, and how."""

    def __init__(self, sides, version=TLS13, **keys):
        self.sides = sides
        self.version = version
        self.keys = keys  # of both [tls] sections

    def has_client(self):
        return self.sides in (TC, TT)

    def has_server(self):
        return self.sides in (TS, TT)

    def sections(self, server, *, listen=None, pool=None, **more):
        listen, pool = dict(listen or {}), dict(pool or {})
        own = {"min_version": self.version, "max_version": self.version, **self.keys}
        whole = {}
        if self.has_client():
            listen.setdefault("tls", "in")
            whole["tls in"] = {"cert": server_identity().pem, **own}
        if self.has_server():
            pool.setdefault("tls", "out")
            whole["tls out"] = {"ca_file": authority().file, "server_name": "server.test", **own}
        whole.update(relay_to(server, listen=listen, pool=pool, **more))
        return whole

    def dial(self, relay, **more):
        client = connect(relay.address(), **more)
        return start_tls(client, client_contexts(self.version)) if self.has_client() else client

    def answer(self, served):
        return answer_tls(served, server_contexts(self.version)) if self.has_server() else served

    def pair(self, relay, server, **more):
        """A session through `relay`: (client, served)."""
        client = self.dial(relay, **more)
        return client, self.answer(server.accept())


@functools.lru_cache(maxsize=None)
def client_contexts(version):
    return client_context(version=version)


@functools.lru_cache(maxsize=None)
def server_contexts(version):
    return server_context(version=version)


# -- bytes in both directions at once -------------------------------------------------------------


def duplex(left, right, size, *, seed=1, chunks=(1, 40_000), seconds=30):
    """`size` pattern bytes each way at the same time, in chunks of random sizes."""
    rng = random.Random(seed)
    deadline = Deadline(seconds)
    ways = [Way(left, right, Pattern(2 * seed), size), Way(right, left, Pattern(2 * seed + 1), size)]
    while any(way.received < size for way in ways):
        moved = [way.advance(rng.randint(*chunks)) for way in ways]
        if any(moved):
            continue
        poller = select.poll()
        for way in ways:
            poller.register(way.source.sock, select.POLLIN | (select.POLLOUT if way.is_sending()
                                                              else 0))
        assert poller.poll(deadline.left() * 1000), (
            f"stuck: {[(way.sent, way.received) for way in ways]} of {size}")
        assert not deadline.passed(), f"{[(way.sent, way.received) for way in ways]} of {size}"


class Way:
    def __init__(self, source, destination, what, size):
        self.source, self.destination, self.what, self.size = source, destination, what, size
        self.sent = self.received = 0

    def is_sending(self):
        return self.sent < self.size or bool(self.source.backlog)

    def advance(self, chunk):
        """Whether anything moved."""
        moved = 0
        if self.is_sending():
            moved = self.source.try_send(self.what.take(self.sent, min(chunk, self.size - self.sent)))
            self.sent += moved
        data = self.destination.try_read()
        if data is None:
            return moved > 0
        assert data, f"the stream ended after {self.received} of {self.size} bytes"
        wrong = self.what.first_difference(self.received, data)
        assert wrong is None, f"byte {wrong} of {self.size} is wrong"
        self.received += len(data)
        return True


# -- records made by hand -------------------------------------------------------------------------


class RecordMaker:
    """TLS 1.3 records that OpenSSL would not write (empty ones, padded ones) for what a fresh
    client or server sends next. Afterwards everything it sends must come from here."""

    HEADER = struct.Struct("!BHH")

    def __init__(self, keylog, label):
        with open(keylog, encoding="ascii") as file:
            secret = next(bytes.fromhex(line.split()[2]) for line in file
                          if line.startswith(label + " "))
        assert len(secret) == 32, "the context must be limited to TLS_AES_128_GCM_SHA256"
        self.cipher = AESGCM(self.expand(secret, b"key", 16))
        self.iv = self.expand(secret, b"iv", 12)
        self.number = 0

    @staticmethod
    def expand(secret, label, size):
        """RFC 8446, 7.1"""
        info = struct.pack("!HB", size, 6 + len(label)) + b"tls13 " + label + b"\0"
        return HKDFExpand(hashes.SHA256(), size, info).derive(secret)

    def record(self, data, padding=0, kind=23):
        content = data + bytes([kind]) + bytes(padding)
        head = self.HEADER.pack(23, 0x0303, len(content) + 16)
        nonce = (int.from_bytes(self.iv, "big") ^ self.number).to_bytes(12, "big")
        self.number += 1
        return head + self.cipher.encrypt(nonce, content, head)
