# SPDX-License-Identifier: Apache-2.0
"""Reads what the kernel counts: CPU time, memory and system calls of processes and the machine."""

import os
import re
import signal
import subprocess

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _stat_fields(pid):
    """The fields of /proc/PID/stat behind the command name: [0] is the state."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        text = file.read()
    return text[text.rindex(")") + 2 :].split()


def _processes():
    """Yields (pid, stat fields) of every process that lives long enough to be read."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                yield int(name), _stat_fields(name)
            except (FileNotFoundError, ProcessLookupError):
                continue


def start_time(pid):
    """Identifies a process together with its pid; None when it is gone."""
    try:
        fields = _stat_fields(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


def tree(root):
    """The pids of a process and all its descendants."""
    children = {}
    for pid, fields in _processes():
        children.setdefault(int(fields[1]), []).append(pid)
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_seconds(roots):
    """User and system time of whole process trees: every thread, and children that have ended."""
    ticks = 0
    for root in roots:
        for pid in tree(root):
            try:
                ticks += sum(int(field) for field in _stat_fields(pid)[11:15])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return ticks / TICKS_PER_SECOND


def machine_busy_seconds():
    """What all CPUs together have worked: everything but idle, waiting for disks, and stolen."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _iowait, irq, softirq = map(int, file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS_PER_SECOND


def kernel_thread_seconds():
    """CPU time of the kernel's own network and deferred work: ksoftirqd and kworker threads."""
    ticks = 0
    for pid, fields in _processes():
        if fields[1] != "2":
            continue
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as file:
                if file.read().startswith(("ksoftirqd", "kworker")):
                    ticks += int(fields[11]) + int(fields[12])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return ticks / TICKS_PER_SECOND


def memory_bytes(root):
    """(proportional set size, private bytes) of a process tree."""
    proportional = private = 0
    for pid in tree(root):
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key == "Pss":
                    proportional += int(value.split()[0]) * 1024
                elif key in ("Private_Clean", "Private_Dirty"):
                    private += int(value.split()[0]) * 1024
    return proportional, private


def network_counters():
    """The counters whose growth would make a measurement doubtful."""
    wanted = ("ListenDrops", "ListenOverflows", "TCPMemoryPressures", "TCPAbortOnMemory",
              "TCPTimeWaitOverflow", "TCPTimeouts")
    counters = {}
    with open("/proc/net/netstat", encoding="ascii") as file:
        lines = file.read().splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        for name, value in zip(names.split()[1:], values.split()[1:]):
            if name in wanted:
                counters[name] = int(value)
    return counters


class SystemCalls:
    """Counts the system calls of a process tree with strace between enter and exit."""

    def __init__(self, children, root, path):
        self.children, self.root, self.path = children, root, path
        self.counts = {}

    def __enter__(self):
        pids = tree(self.root)
        command = ["strace", "-f", "-c", "-o", self.path]
        for pid in pids:
            command += ["-p", str(pid)]
        self.process = self.children.spawn(command, stderr=subprocess.PIPE)
        attached = 0
        while attached < len(pids):
            line = self.process.stderr.readline().decode(errors="replace")
            if not line:
                raise RuntimeError("strace cannot attach")
            attached += " attached" in line
        return self

    def __exit__(self, *_):
        self.children.end(self.process, signal.SIGINT)
        if not os.path.exists(self.path):
            return
        with open(self.path, encoding="ascii", errors="replace") as file:
            for line in file:
                fields = line.split()
                if len(fields) >= 5 and re.fullmatch(r"[0-9.]+", fields[0]) and fields[-1] != "total":
                    self.counts[fields[-1]] = int(fields[3])
