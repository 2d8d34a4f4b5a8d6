# SPDX-License-Identifier: Apache-2.0
"""Processes beside the test's own: what they measure is not slowed by the test, and each has
descriptors of its own.

    watch = Repeated(relay.sessions_total, 0.01)
    ...
    assert max(answer for _, answer in watch.stop()) <= 200
"""
import collections
import multiprocessing
import select
import socket
import struct
import time

from .peer import Listener, parse_address
from .wait import Deadline

_fork = multiprocessing.get_context("fork")
IP_BIND_ADDRESS_NO_PORT = 24


class Repeated:
    """Calls `call` every `pause` seconds; stop() gives (when, answer) of each call."""

    def __init__(self, call, pause):
        self.ours, theirs = _fork.Pipe()
        self.process = _fork.Process(target=self.live, args=(theirs, call, pause), daemon=True)
        self.process.start()
        theirs.close()

    def live(self, pipe, call, pause):
        self.ours.close()
        answers = []
        try:
            while not pipe.poll(pause):
                answers.append((time.monotonic(), call()))
            pipe.send(answers)
        except BaseException as error:  # raised again in stop()
            pipe.send(error)

    def stop(self, seconds=20):
        self.ours.send(None)
        assert self.ours.poll(Deadline(seconds).left()), "the process beside the test does not end"
        answers = self.ours.recv()
        self.process.join()
        if isinstance(answers, BaseException):
            raise answers
        return answers


class ServerElsewhere:
    """A server in a process of its own that does what a client's first byte says: `r` resets, `h`
    answers `+` and ends the stream after `hold` seconds; otherwise the client's end is answered."""

    def __init__(self, hold=0.5):
        self.listener = Listener()
        self.address = self.listener.address
        self.process = _fork.Process(target=self.live, args=(hold,), daemon=True)
        self.process.start()

    def stop(self):
        self.process.terminate()
        self.process.join()

    def live(self, hold):
        listener = self.listener.sock
        epoll = select.epoll()
        epoll.register(listener, select.EPOLLIN)
        conns, held = {}, collections.deque()

        def end(fd, reset=False):
            sock = conns.pop(fd)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

        while True:
            for fd, _ in epoll.poll(0.02, 512):
                if fd == listener.fileno():
                    for _ in range(256):
                        try:
                            sock, _ = listener.accept()
                        except BlockingIOError:
                            break
                        sock.setblocking(False)
                        conns[sock.fileno()] = sock
                        epoll.register(sock, select.EPOLLIN)
                    continue
                if fd not in conns:
                    continue
                try:
                    data = conns[fd].recv(100)
                    if data == b"h":
                        conns[fd].send(b"+")
                        held.append((time.monotonic() + hold, fd, conns[fd]))
                    elif data == b"r":
                        end(fd, reset=True)
                    elif not data:
                        end(fd)
                except OSError:
                    end(fd)
            while held and held[0][0] <= time.monotonic():
                _, fd, sock = held.popleft()
                if conns.get(fd) is sock:
                    end(fd)


def dial(address, source):
    """A socket that connects from `source` and blocks nobody; its close is a reset."""
    family, sockaddr = parse_address(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind((source, 0))
    sock.setblocking(False)
    sock.connect_ex(sockaddr)
    return sock


def loopback(number):
    """The address of that number, of 16 million: 127.1.0.1 and those behind it."""
    number += 1 << 16 | 1
    return f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def drive(scripts, at_once=200, seconds=60):
    """Runs generators, `at_once` at a time: each yields the sockets one of which it waits for, as
    (socket, events) pairs, and is given the one that something happened to."""
    epoll, waiting, scripts = select.epoll(), {}, iter(scripts)
    deadline, running, more = Deadline(seconds), 0, True

    def advance(script, sock):
        nonlocal running
        try:
            wanted = script.send(sock)
        except StopIteration:
            running -= 1
            return
        for one, events in wanted:
            epoll.register(one, events)
        for one, _ in wanted:
            waiting[one.fileno()] = (script, wanted, one)

    while more or running:
        assert not deadline.passed(), f"{running} clients did not end in {deadline.seconds:.0f} s"
        for _ in range(64):
            script = next(scripts, None) if more and running < at_once else None
            if script is None:
                more = more and running >= at_once
                break
            running += 1
            advance(script, None)
        for fd, _ in epoll.poll(0 if more and running < at_once else 0.05, 512):
            if fd not in waiting:
                continue
            script, wanted, sock = waiting[fd]
            for one, _ in wanted:
                del waiting[one.fileno()]
                epoll.unregister(one)
            advance(script, sock)
    epoll.close()


def outcome_of(sock):
    """What a readable socket says: bytes, b"" at the end of the stream, None for a reset."""
    try:
        return sock.recv(100)
    except BlockingIOError:
        return b"?"
    except OSError:
        return None
