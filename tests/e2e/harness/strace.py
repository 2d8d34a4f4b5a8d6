# SPDX-License-Identifier: Apache-2.0
"""strace as a source of system call errors, and as a counter of system calls."""
import shutil
import subprocess

import pytest

needs_strace = pytest.mark.skipif(
    not shutil.which("strace") or subprocess.run(
        ["strace", "-qq", "-e", "trace=none", "true"], capture_output=True).returncode != 0,
    reason="needs strace and the right to use it")


def inject(*rules, trace=None):
    """A wrapper command under which calls fail: inject("accept4:error=EMFILE:when=1..3")."""
    names = trace or ",".join(rule.split(":")[0] for rule in rules)
    command = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", f"trace={names}"]
    for rule in rules:
        command += ["-e", f"inject={rule}"]
    return tuple(command)


class CallCount:
    """Counts the system calls of a running process while it is open."""

    def __init__(self, pid, directory):
        self.path = f"{directory}/calls"
        self.process = subprocess.Popen(
            ["strace", "-f", "-c", "-U", "calls,name", "-o", self.path, "-p", str(pid)],
            stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()  # "strace: Process N attached ..."
        assert "attached" in line, line

    def stop(self):
        """{name: calls}"""
        self.process.send_signal(2)
        self.process.wait(20)
        self.process.stderr.close()
        counts = {}
        with open(self.path, encoding="utf-8") as file:
            for line in file:
                words = line.split()
                if len(words) == 2 and words[0].isdigit() and words[1] != "total":
                    counts[words[1]] = int(words[0])
        return counts
