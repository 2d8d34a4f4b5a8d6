# SPDX-License-Identifier: Apache-2.0
"""Sessions spread over the workers: none holds clearly more than the others, although the kernel
deals connections unevenly."""
import pytest

from harness.culvert import relay_to
from harness.peer import Listener, connect, pair


@pytest.mark.parametrize("workers", [2, 4])
def test_accept_balance(culvert, workers):
    server = Listener()
    relay = culvert(relay_to(server), workers=workers)
    for _ in range(50 * workers):
        pair(relay, server)
    metrics = relay.metrics()
    counts = [value for name, labels, value in metrics.series if name == "culvert_worker_sessions"]
    assert len(counts) == workers
    assert sum(counts) == 50 * workers
    assert max(counts) - min(counts) <= 16, counts


def test_burst_is_balanced(culvert):
    """A hundred connections in one moment, before any worker can run."""
    server = Listener()
    relay = culvert(relay_to(server), workers=4)
    address = relay.address()
    with relay.frozen():
        clients = [connect(address) for _ in range(200)]
    for _ in clients:
        server.accept()
    metrics = relay.metrics()
    counts = [value for name, labels, value in metrics.series if name == "culvert_worker_sessions"]
    assert sum(counts) == 200
    assert max(counts) - min(counts) <= 40, counts
