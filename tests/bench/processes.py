# SPDX-License-Identifier: Apache-2.0
"""Child processes that end with the benchmark, and the private network they run in."""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys

import measure

_PR_SET_PDEATHSIG = 1
_SIOCSIFFLAGS, _SIOCSIFMTU = 0x8914, 0x8922
_IFF_UP_RUNNING = 0x1 | 0x40
_HOST_NETWORK = "CULVERT_BENCH_HOST_NETWORK"


class Children:
    """Starts processes and, when left, ends those that still run, each by its pid."""

    def __init__(self):
        self._running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self._running[:]):
            self.end(process)

    def spawn(self, command, cpu=None, **options):
        prctl = ctypes.CDLL(None).prctl

        def prepare():
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # in case the benchmark itself is killed
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})

        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        process = subprocess.Popen(command, preexec_fn=prepare, **options)
        self._running.append(process)
        return process

    def end(self, process, how=signal.SIGTERM):
        """Closes its input, asks it to end, and kills it and its descendants if it does not."""
        family = [(pid, measure.start_time(pid)) for pid in measure.tree(process.pid)]
        if process.stdin is not None:
            try:
                process.stdin.close()
            except BrokenPipeError:
                pass
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid, started in family:
            if pid != process.pid and started is not None and measure.start_time(pid) == started:
                os.kill(pid, signal.SIGKILL)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        if process in self._running:
            self._running.remove(process)


def enter_private_network():
    """Starts this program again in a network namespace of its own, unless it is in one already."""
    here = os.readlink("/proc/self/ns/net")
    host = os.environ.get(_HOST_NETWORK)
    if host is None:
        os.environ[_HOST_NETWORK] = here
        # Without privileges a user namespace lends what is needed.
        how = ["--net"] if os.geteuid() == 0 else ["--map-root-user", "--net"]
        os.execvp("unshare", ["unshare", *how, "--", sys.executable, *sys.argv])
    if host == here:
        sys.exit("bench: unshare made no private network")


def set_up_loopback(mtu):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP_RUNNING))
        if mtu:
            fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si20x", b"lo", mtu))


def choose_reno():
    """Sets reno, which has no pacing timers, for this namespace; returns what is then in force."""
    path = "/proc/sys/net/ipv4/tcp_congestion_control"
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write("reno")
    except OSError:
        pass
    with open(path, encoding="ascii") as file:
        return file.read().strip()
