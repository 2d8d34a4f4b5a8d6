# SPDX-License-Identifier: Apache-2.0
"""Thousands of sessions at once, every byte and every end checked: the session ledger.

One thread drives all clients and all servers with epoll. A client starts with a header that tells
the server its id, how many bytes go each way and how the session shall end; both sides then check
what they get against the pattern of that id. The ledger joins what both saw:

    L1  sessions that never reached a server      L4  wrong kind of end
    L2  sessions with bytes missing or too many   L5  sessions that took longer than allowed
    L3  sessions with a wrong byte                X   bytes of another session
"""
import dataclasses
import errno
import random
import select
import socket
import struct
import time

from .peer import FIN, RST, Conn, Pattern, parse_address
from .wait import Deadline, slowness

HEADER = struct.Struct("!4sQIIB")
MAGIC = b"CRWD"

# Who ends the session, and how.
CLIENT_FIRST = 0   # client ends its stream, server answers the end with its own
SERVER_FIRST = 1
BOTH = 2           # each side ends its stream as soon as it sent everything
CLIENT_RESET = 3   # client resets after everything both ways arrived
SERVER_RESET = 4
REFUSED = 5        # the relay has no server for it: the client must see a reset
ENDINGS = ["client first", "server first", "both", "client reset", "server reset", "refused"]


@dataclasses.dataclass
class Plan:
    id: int
    upload: int
    download: int
    ending: int
    address: str = None  # dial this instead of the crowd's address


@dataclasses.dataclass
class Row:
    """What one end saw of one session."""
    id: int
    sent: int = 0
    received: int = 0
    wrong_at: int = None
    end: str = None
    errno: int = 0
    seconds: float = 0.0


@dataclasses.dataclass
class Ledger:
    plans: int = 0
    L1: int = 0
    L2: int = 0
    L3: int = 0
    L4: int = 0
    L5: int = 0
    X: int = 0
    unfinished: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    examples: list = dataclasses.field(default_factory=list)

    def losses(self):
        return self.L1 + self.L2 + self.L3 + self.L4 + self.L5 + self.X + self.unfinished

    def check(self):
        assert self.losses() == 0, f"{self}"


class End:
    """One end of one session."""

    def __init__(self, crowd, sock, is_client, plan=None):
        self.crowd = crowd
        self.sock = sock
        self.is_client = is_client
        self.plan = plan
        self.row = Row(plan.id if plan else -1)
        self.out = self.into = None
        self.out_total = self.into_total = None
        self.prefix = b""
        self.header = b""
        self.fin_sent = False
        self.own_reset = False
        self.over = False
        self.mask = 0
        self.registered = False
        self.started = time.monotonic()
        if is_client:
            self.prefix = HEADER.pack(MAGIC, plan.id, plan.upload, plan.download, plan.ending)
            self.learn(plan)

    def learn(self, plan):
        up, down = Pattern(2 * plan.id), Pattern(2 * plan.id + 1)
        self.out, self.into = (up, down) if self.is_client else (down, up)
        self.out_total, self.into_total = ((plan.upload, plan.download) if self.is_client
                                           else (plan.download, plan.upload))

    def wants_to_write(self):
        if self.over or self.plan is None or self.fin_sent:
            return False
        return bool(self.prefix) or self.row.sent < self.out_total

    def watch(self):
        mask = ((select.EPOLLIN if self.row.end is None else 0)
                | (select.EPOLLOUT if self.wants_to_write() else 0))
        if not self.registered:
            self.crowd.epoll.register(self.sock, mask)
            self.registered = True
        elif mask != self.mask:
            self.crowd.epoll.modify(self.sock, mask)
        self.mask = mask

    def on_event(self, events):
        try:
            if events & select.EPOLLOUT and self.wants_to_write():
                self.write()
            if not self.over and events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                self.read()
            if not self.over:
                self.advance()
        except OSError as error:
            self.failed(error)
        if not self.over:
            self.watch()

    def failed(self, error):
        if error.errno == errno.ENOTCONN:  # shutdown met a socket that is over; recv knows why
            try:
                self.sock.recv(1)
            except OSError as reason:
                error = reason
        self.row.errno = error.errno
        reset = error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ECONNREFUSED)
        self.finish(RST if reset else errno.errorcode.get(error.errno, "?"))

    def write(self):
        for _ in range(4):
            if self.prefix:
                self.prefix = self.prefix[self.sock.send(self.prefix):]
                continue
            left = self.out_total - self.row.sent
            if left == 0:
                return
            size = min(left, self.crowd.chunk())
            try:
                self.row.sent += self.sock.send(self.out.take(self.row.sent, size))
            except BlockingIOError:
                return

    def read(self):
        for _ in range(4):
            try:
                data = self.sock.recv(self.crowd.read_size())
            except BlockingIOError:
                return
            if not data:
                self.row.end = FIN
                return
            if self.plan is None:
                need = HEADER.size - len(self.header)
                self.header += data[:need]
                data = data[need:]
                if len(self.header) < HEADER.size:
                    continue
                magic, number, upload, download, ending = HEADER.unpack(self.header)
                if magic != MAGIC or number not in self.crowd.plans:
                    self.crowd.ledger.X += 1
                    self.finish("?")
                    return
                self.plan = self.crowd.plans[number]
                self.row.id = number
                self.learn(self.plan)
                self.crowd.server_knows(self)
                if not data:
                    continue
            if self.row.wrong_at is None:
                self.row.wrong_at = self.into.first_difference(self.row.received, data)
            self.row.received += len(data)

    def advance(self):
        """Do what the plan wants next: end the stream, reset, or leave."""
        if self.plan is None:
            if self.row.end is not None:
                self.finish(self.row.end)
            return
        if self.prefix or self.row.sent < self.out_total or self.crowd.holding:
            return
        ending = self.plan.ending
        if ending in (CLIENT_RESET, SERVER_RESET):
            mine = (ending == CLIENT_RESET) == self.is_client
            if not mine:
                if self.row.end is not None:
                    self.finish(self.row.end)
                return
            if self.row.received < self.into_total and self.row.end is None:
                return
            if Conn.unsent(self):
                self.crowd.waiting.append(self)
                return
            self.own_reset = True
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.finish("own reset")
            return
        first = ending == BOTH or (ending in (CLIENT_FIRST, REFUSED)) == self.is_client
        if not self.fin_sent and (first or self.row.end is not None):
            self.sock.shutdown(socket.SHUT_WR)
            self.fin_sent = True
        if self.fin_sent and self.row.end is not None:
            self.finish(self.row.end)

    def finish(self, end):
        self.row.end = end
        self.row.seconds = time.monotonic() - self.started
        self.over = True
        if self.registered:
            self.crowd.epoll.unregister(self.sock)
        self.crowd.ends.pop(self.sock.fileno(), None)
        self.sock.close()
        self.crowd.end_over(self)


class Crowd:
    """Runs plans through `address`; the relay's server is `listener` (peer.Listener)."""

    def __init__(self, address, listener, *, at_once=100, seed=1, longest=None, seconds=60,
                 chunk=(1, 40000), read_size=(1, 50000), hold=False, source=None, rcvbuf=None,
                 sndbuf=None, on_all_open=None, on_tick=None):
        self.address = address
        self.listener = listener
        self.at_once = at_once
        self.rng = random.Random(seed)
        self.longest = longest
        self.deadline_seconds = seconds
        self.chunk_range = chunk
        self.read_range = read_size
        self.holding = hold
        self.on_all_open = on_all_open
        self.on_tick = on_tick
        self.source = source
        self.rcvbuf, self.sndbuf = rcvbuf, sndbuf
        self.epoll = select.epoll()
        self.plans = {}
        self.ends = {}
        self.clients = {}
        self.servers = {}
        self.known = 0
        self.clients_open = 0
        self.waiting = []
        self.ledger = Ledger()

    def chunk(self):
        return self.rng.randint(*self.chunk_range)

    def read_size(self):
        return self.rng.randint(*self.read_range)

    def server_knows(self, end):
        if end.row.id in self.servers:
            self.ledger.X += 1
            self.ledger.examples.append(f"session {end.row.id} reached the server twice")
        self.servers[end.row.id] = end
        self.known += 1

    def end_over(self, end):
        if end.is_client:
            self.clients_open -= 1

    def dial(self, plan):
        family, sockaddr = parse_address(plan.address or self.address)
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        if self.rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.rcvbuf)
        if self.sndbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.sndbuf)
        if self.source:
            sock.bind((self.source(plan), 0))
        end = End(self, sock, True, plan)
        self.clients[plan.id] = end
        self.clients_open += 1
        self.ends[sock.fileno()] = end
        error = sock.connect_ex(sockaddr)
        if error not in (0, errno.EINPROGRESS):
            end.failed(OSError(error, "connect"))
            return
        end.watch()

    def take_all(self):
        for _ in range(512):
            try:
                sock, _ = self.listener.sock.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            end = End(self, sock, False)
            self.ends[sock.fileno()] = end
            end.watch()

    def run(self, plans):
        plans = list(plans)
        self.plans = {plan.id: plan for plan in plans}
        self.ledger.plans = len(plans)
        to_start = list(reversed(plans))
        started = time.monotonic()
        deadline = Deadline(self.deadline_seconds)
        next_tick = 0.0
        listener_fd = self.listener.sock.fileno() if self.listener else -1
        if self.listener:
            self.epoll.register(listener_fd, select.EPOLLIN)
        while (to_start or self.ends) and not deadline.passed():
            burst = 0
            while to_start and self.clients_open < self.at_once and burst < 256:
                self.dial(to_start.pop())
                burst += 1
            if self.holding and not to_start and self.known == len(plans):
                self.release()
            for fd, events in self.epoll.poll(0.002 if self.waiting or to_start else 0.05, 1024):
                if fd == listener_fd:
                    self.take_all()
                    continue
                end = self.ends.get(fd)
                if end is not None:
                    end.on_event(events)
            waiting, self.waiting = self.waiting, []
            for end in waiting:
                if not end.over:
                    end.on_event(0)
            if self.on_tick and time.monotonic() >= next_tick:
                next_tick = time.monotonic() + 0.05
                self.on_tick()
        self.ledger.seconds = time.monotonic() - started
        for end in list(self.ends.values()):
            self.ledger.unfinished += 1
            if len(self.ledger.examples) < 8:
                self.ledger.examples.append(("unfinished", end.is_client, end.row, end.plan))
            end.finish("TIMEOUT")
        self.epoll.close()
        self.join(plans)
        return self.ledger

    def release(self):
        if self.on_all_open:
            self.on_all_open()
        self.holding = False
        for end in list(self.ends.values()):
            end.on_event(0)

    def join(self, plans):
        ledger = self.ledger
        for plan in plans:
            client = self.clients.get(plan.id)
            server = self.servers.get(plan.id)
            if client is None:
                ledger.L1 += 1
                continue
            problems = []
            ledger.longest = max(ledger.longest, client.row.seconds)
            if self.longest and client.row.seconds > self.longest * slowness():
                ledger.L5 += 1
                problems.append("L5")
            if plan.ending == REFUSED:
                if client.row.end != RST:
                    ledger.L4 += 1
                    problems.append("L4 client")
            elif server is None:
                ledger.L1 += 1
                problems.append("L1")
            else:
                for end, want in ((client, plan.download), (server, plan.upload)):
                    if end.row.received != want:
                        ledger.L2 += 1
                        problems.append(f"L2 {end.row.received} of {want}")
                    if end.row.wrong_at is not None:
                        ledger.L3 += 1
                        problems.append(f"L3 at {end.row.wrong_at}")
                want_client = {CLIENT_RESET: "own reset", SERVER_RESET: RST}.get(plan.ending, FIN)
                want_server = {CLIENT_RESET: RST, SERVER_RESET: "own reset"}.get(plan.ending, FIN)
                if (client.row.end, server.row.end) != (want_client, want_server):
                    ledger.L4 += 1
                    problems.append("L4")
            if problems and len(ledger.examples) < 8:
                ledger.examples.append((problems, ENDINGS[plan.ending], plan, client.row,
                                        server.row if server else None))


def plans(count, *, seed=1, size=(0, 60000), endings=(CLIENT_FIRST, SERVER_FIRST, BOTH), first_id=1):
    """`count` random plans."""
    rng = random.Random(seed)
    return [Plan(first_id + number, rng.randint(*size), rng.randint(*size), rng.choice(endings))
            for number in range(count)]
