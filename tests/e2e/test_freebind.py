# SPDX-License-Identifier: Apache-2.0
"""freebind: a listener waits on an address that comes to the machine later."""
import pytest

from harness.culvert import StartFailed, relay_to
from harness.netns import add_address, in_network_namespace
from harness.peer import Listener, connect, exchange

FAMILIES = pytest.mark.parametrize("host", ["192.0.2.9", "fd00:9::9"])


def bind_of(host):
    return f"[{host}]:4080" if ":" in host else f"{host}:4080"


@FAMILIES
@in_network_namespace()
def test_the_address_comes_later(culvert, host):
    server = Listener()
    relay = culvert(relay_to(server, listen={"bind": bind_of(host), "freebind": True}), workers=2)
    with pytest.raises(OSError):
        connect(bind_of(host), seconds=0.5)
    add_address("lo", host)
    for _ in range(4):
        exchange(connect(bind_of(host)), server.accept())
    assert relay.accepted_total() == 4


@FAMILIES
@in_network_namespace()
def test_without_it_the_start_says_what_to_do(culvert, host):
    relay = culvert(relay_to(Listener(), listen={"bind": bind_of(host)}), wait_ready=False)
    with pytest.raises(StartFailed) as failure:
        relay.wait_ready()
    relay.stopped_by_test = True
    assert failure.value.code == 69
    assert "freebind = yes" in failure.value.stderr
