# SPDX-License-Identifier: Apache-2.0
"""Memory that runs out: the n-th allocation of the relay's workers fails."""
import mmap
import os
import shutil
import struct
import subprocess

import pytest

needs_compiler = pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")


class FailingMalloc:
    """env() goes into the relay's environment; arm(n) lets its n-th allocation from now on fail."""

    NUMBERS = struct.Struct("qq")

    def __init__(self, folder):
        self.shim = os.path.join(folder, "fail_malloc.so")
        source = os.path.join(os.path.dirname(__file__), "fail_malloc.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self.shim, source], check=True)
        self.path = os.path.join(folder, "fail_malloc")
        with open(self.path, "wb") as file:
            file.write(bytes(self.NUMBERS.size))
        with open(self.path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), self.NUMBERS.size)

    def env(self):
        return {"LD_PRELOAD": self.shim, "FAIL_MALLOC": self.path}

    def arm(self, number):
        self.NUMBERS.pack_into(self.shared, 0, 0, number)

    def disarm(self):
        """How many allocations there were."""
        count, _ = self.NUMBERS.unpack_from(self.shared, 0)
        self.NUMBERS.pack_into(self.shared, 0, 0, 0)
        return count
