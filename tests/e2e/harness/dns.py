# SPDX-License-Identifier: Apache-2.0
"""DNS servers: one that says what a test tells it to (UDP and TCP), and dnsmasq.

    with ScriptedDns() as dns:
        dns.a["db.test"] = ["127.0.0.1"]
        dns.mood = "servfail"
"""
import contextlib
import os
import random
import signal
import socket
import struct
import subprocess
import threading

from .programs import find
from .wait import wait_until

A, CNAME, AAAA, SRV = 1, 5, 28, 33
CODES = {"formerr": 1, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5}


def labels(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def record(owner, kind, ttl, data):
    return labels(owner) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def two_sockets():
    """UDP and TCP on one port of 127.0.0.1."""
    for _ in range(50):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        tcp = socket.socket()
        try:
            tcp.bind(udp.getsockname())
            tcp.listen()
            return udp, tcp
        except OSError:
            udp.close()
            tcp.close()
    raise AssertionError("no port that is free for UDP and TCP")


class ScriptedDns:
    """`mood`: "good"; a word of CODES; "silent"; "empty"; "truncated" (by UDP); "garbage"; "wrong_id";
    "loop" (of aliases). `failing` has another one for some types of questions."""

    def __init__(self):
        self.a = {}    # name: addresses
        self.aaaa = {}
        self.failing = {}  # type: mood, for questions of this type alone
        self.srv = {}  # name: (priority, weight, port, target)
        self.ttl = 1
        self.mood = "good"
        self.questions = []
        self.tcp_questions = 0
        self.udp, self.tcp = two_sockets()
        self.port = self.udp.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.threads = [threading.Thread(target=call, daemon=True) for call in (self.serve_udp, self.serve_tcp)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        for thread in self.threads:
            thread.join(5)
        self.udp.close()

    def serve_udp(self):
        while True:
            question, sender = self.udp.recvfrom(4096)
            if not question:
                return
            answer = self.answer(question, False)
            if answer:
                self.udp.sendto(answer, sender)

    def serve_tcp(self):
        while True:
            try:
                conn, _ = self.tcp.accept()
            except OSError:
                return
            with conn, contextlib.suppress(OSError):
                conn.settimeout(5)
                (size,) = struct.unpack(">H", conn.recv(2, socket.MSG_WAITALL))
                self.tcp_questions += 1
                answer = self.answer(conn.recv(size, socket.MSG_WAITALL), True)
                if answer:
                    conn.sendall(struct.pack(">H", len(answer)) + answer)

    def answer(self, question, is_tcp):
        parts, at = [], 12
        while question[at]:
            parts.append(question[at + 1:at + 1 + question[at]].decode().lower())
            at += 1 + question[at]
        name, kind = ".".join(parts), struct.unpack(">H", question[at + 1:at + 3])[0]
        self.questions.append((name, kind))
        ident, body = question[:2], question[12:at + 5]
        mood = self.failing.get(kind, self.mood)
        if mood == "silent":
            return None
        code = CODES.get(mood, 0)
        records, flags = self.records(name, kind), 0x8180 | code
        if mood == "wrong_id":
            ident = bytes([ident[0] ^ 0x55, ident[1]])
        if mood == "empty" or mood in CODES:
            records = []
        if mood == "loop":
            records = [record(name, CNAME, 1, labels("x.test")), record("x.test", CNAME, 1, labels(name))]
        if not is_tcp and (mood == "truncated" or sum(map(len, records)) > 450):
            records, flags = [], flags | 0x0200
        answer = ident + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + body + b"".join(records)
        return answer[:6] + b"\xff\xff" + answer[8:] + b"\xc0\xff" * 9 if mood == "garbage" else answer

    def records(self, name, kind):
        if kind == A:
            return [record(name, A, self.ttl, socket.inet_aton(ip)) for ip in self.a.get(name, ())]
        if kind == AAAA:
            return [record(name, AAAA, self.ttl, socket.inet_pton(socket.AF_INET6, ip)) for ip in self.aaaa.get(name, ())]
        if kind == SRV:
            return [record(name, SRV, self.ttl, struct.pack(">HHH", *numbers) + labels(target))
                    for *numbers, target in self.srv.get(name, ())]
        return []


class Dnsmasq:
    """The real one; it reads its file of hosts again when told to."""

    def __init__(self, folder, *arguments):
        self.hosts_path = folder / "hosts"
        self.log_path = folder / "dnsmasq.log"
        self.hosts_path.write_text("")
        # Of the loopback addresses one that nobody else uses: a free port might be taken meanwhile.
        self.host = f"127.{random.randint(64, 250)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        self.port = 5300
        self.address = f"{self.host}:{self.port}"
        self.command = [find("dnsmasq"), "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                        f"--addn-hosts={self.hosts_path}", f"--port={self.port}", f"--listen-address={self.host}",
                        "--bind-interfaces", "--local=/test/", "--pid-file=", "--user=", *arguments]
        self.process = None

    def __enter__(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self.is_listening, 15, "dnsmasq to listen")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)

    def is_listening(self):
        assert self.process.poll() is None, self.log_path.read_text()
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1):
            return True
        return False

    def set_hosts(self, hosts):
        """{"a.db.test": ["127.0.0.1"]}"""
        self.hosts_path.write_text("".join(f"{ip} {name}\n" for name, ips in hosts.items() for ip in ips))
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGHUP)
