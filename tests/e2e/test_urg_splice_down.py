# SPDX-License-Identifier: Apache-2.0
"""abc, one urgent byte U, def, from server to client, moved by splice: abcUdef arrives within 100 ms
while the sender stays open, and the relay does not spin (1.6, BX12)."""
from harness.urgent import check_urgent


def test_urg_splice_down(culvert):
    check_urgent(culvert, method="splice", direction="down")
