# SPDX-License-Identifier: Apache-2.0
"""The table of descriptors has its final size before the first session: growing it later would stop
all threads (5.5)."""
from harness.culvert import read_fields, relay_to
from harness.peer import Listener


def test_fd_table_presize(culvert):
    relay = culvert(relay_to(Listener()), limits={"max_connections": 3000})
    size = int(read_fields(f"/proc/{relay.pid}/status")["FDSize"])
    assert size >= 6000
    with open(f"/proc/{relay.pid}/limits", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("Max open files"))
    soft, hard = line.split()[3:5]
    assert soft == hard
