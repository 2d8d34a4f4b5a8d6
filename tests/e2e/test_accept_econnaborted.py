# SPDX-License-Identifier: Apache-2.0
"""A client that was gone before accept (ECONNABORTED and the like) is no reason to pause: the next
one is served at once."""
import pytest

from harness.culvert import relay_to
from harness.peer import Listener, connect, exchange
from harness.strace import inject, needs_strace
from harness.wait import Stopwatch, limit

pytestmark = needs_strace


@pytest.mark.parametrize("errno", ["ECONNABORTED", "EPROTO", "ENETDOWN", "EHOSTUNREACH", "EPERM"])
def test_accept_econnaborted(culvert, errno):
    server = Listener()
    relay = culvert(relay_to(server), wrapper=inject(f"accept4:error={errno}:when=1..2"))
    address = relay.address()
    watch = Stopwatch()
    client = connect(address)
    served = server.accept(5)
    exchange(client, served)
    assert watch.seconds() < limit(3)
