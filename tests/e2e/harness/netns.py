# SPDX-License-Identifier: Apache-2.0
"""A private network for one test: its own loopback, its own sysctls, nothing else.

A test marked @in_network_namespace runs in a thread that left the machine's network; processes
it starts are born in the same place. Unix socket paths still work from outside.
"""
import ctypes
import functools
import os
import subprocess
import sys
import threading

import pytest

CLONE_NEWNET = 0x40000000


def may_unshare():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "-n", "true"], capture_output=True).returncode == 0


def set_sysctl(name, value):
    with open(f"/proc/sys/{name}", "w", encoding="ascii") as file:
        file.write(str(value))


def enter(sysctls):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name, value in sysctls.items():
        set_sysctl(name, value)


def in_network_namespace(**sysctls):
    """Decorator; keyword arguments are sysctls with `__` for `/`."""

    def decorate(test):
        @functools.wraps(test)
        def run(*args, **kwargs):
            if not may_unshare():
                pytest.skip("needs the right to make a network namespace")
            outcome = []

            def body():
                try:
                    enter({key.replace("__", "/"): value for key, value in sysctls.items()})
                    test(*args, **kwargs)
                except BaseException:  # handed to the thread that waits
                    outcome.append(sys.exc_info())

            thread = threading.Thread(target=body)
            thread.start()
            thread.join()
            if outcome:
                raise outcome[0][1].with_traceback(outcome[0][2])

        return run

    return decorate
