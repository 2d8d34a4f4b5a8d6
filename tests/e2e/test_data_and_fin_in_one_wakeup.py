# SPDX-License-Identifier: Apache-2.0
"""The end of a stream that reaches the relay in the same wake-up as the data before it is not missed (10.6).
The relay stands still while the client (or the server) does it all."""
import pytest

from harness.one_wakeup import check_one_wakeup


@pytest.mark.parametrize("size", [1, 700, 50_000])
@pytest.mark.parametrize("who", ["client", "server"])
def test_data_and_fin_in_one_wakeup(culvert, method, who, size):
    check_one_wakeup(culvert, "fin", method, who, size)
