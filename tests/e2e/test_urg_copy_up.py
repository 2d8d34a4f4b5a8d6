# SPDX-License-Identifier: Apache-2.0
"""abc, one urgent byte U, def, from client to server, moved by copy: abcUdef arrives within 100 ms
while the sender stays open, and the relay does not spin (1.6, BX12)."""
from harness.urgent import check_urgent


def test_urg_copy_up(culvert):
    check_urgent(culvert, method="copy", direction="up")
