# SPDX-License-Identifier: Apache-2.0
"""A private network for one test: its own loopback, its own sysctls, nothing else.

A test marked @in_network_namespace runs in a thread that left the machine's network; processes
it starts are born in the same place. Unix socket paths still work from outside.
"""
import ctypes
import functools
import os
import queue
import subprocess
import sys
import threading

import pytest

from harness.wait import wait_until

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


def run_ip(*words):
    subprocess.run(["ip", *words], check=True)


def is_local(host):
    """Whether packets to `host` end here. A route of the address' prefix, which comes first, does
    not do: they would be dropped."""
    done = subprocess.run(["ip", "route", "get", host], capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.startswith("local ")


def put_address(interface, address):
    """`address` with or without a prefix length. One of IPv6 is not there yet: wait_address()."""
    host, slash, _ = address.partition("/")
    run_ip("addr", "add", address if slash else f"{host}/{128 if ':' in host else 32}",
           "dev", interface, *(["nodad"] if ":" in host else []))


def wait_address(address):
    """The kernel makes the route to an IPv6 address a while after the command has ended."""
    host = address.partition("/")[0]
    wait_until(lambda: is_local(host), 5, f"{host} to be an address of this machine")


def add_address(interface, address):
    put_address(interface, address)
    wait_address(address)


def run_nft(rules):
    """Load rules into the namespace of this thread."""
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


def route_marked_packets_here():
    """What a TPROXY rule marks, and the answers to sockets with foreign addresses, stay here."""
    for version in ("-4", "-6"):
        run_ip(version, "rule", "add", "fwmark", "1", "lookup", "100")
        run_ip(version, "route", "add", "local", "default", "dev", "lo", "table", "100")


class Neighbour:
    """Another machine: a namespace of its own, joined to this thread's by a pair of interfaces.

    This side has the addresses 10.N.0.1 and fd00:N::1, the other one 10.N.0.2 and fd00:N::2 and its
    default routes through here. `call` runs a function over there; sockets stay where they were made.
    """

    def __init__(self, number):
        self.v4, self.v6 = f"10.{number}.0.2", f"fd00:{number}::2"
        self.jobs = queue.Queue()
        self.thread = threading.Thread(target=self.live, daemon=True)
        self.thread.start()
        near, far = f"near{number}", f"far{number}"
        tid = self.call(threading.get_native_id)
        run_ip("link", "add", near, "type", "veth", "peer", "name", far)
        run_ip("link", "set", far, "netns", str(tid))
        self.give(near, f"10.{number}.0.1/24", f"fd00:{number}::1/64")
        self.call(self.give, far, f"{self.v4}/24", f"{self.v6}/64")
        wait_address(f"fd00:{number}::1")
        self.call(wait_address, self.v6)
        self.call(run_ip, "route", "add", "default", "via", f"10.{number}.0.1")
        self.call(run_ip, "-6", "route", "add", "default", "via", f"fd00:{number}::1")

    @staticmethod
    def give(interface, *addresses):
        for address in addresses:
            put_address(interface, address)
        run_ip("link", "set", interface, "up")

    def live(self):
        enter({})
        while (job := self.jobs.get()) is not None:
            function, arguments, answer = job
            try:
                answer.put((function(*arguments), None))
            except BaseException as error:  # handed to the thread that waits
                answer.put((None, error))

    def call(self, function, *arguments, **named):
        answer = queue.Queue()
        self.jobs.put((functools.partial(function, **named), arguments, answer))
        result, error = answer.get()
        if error is not None:
            raise error
        return result

    def close(self):
        self.jobs.put(None)
        self.thread.join()
