# SPDX-License-Identifier: Apache-2.0
"""Passive ejection: max_fails failed connects take a server out for fail_timeout, then one trial
decides; the last usable server is never ejected; local errors do not count."""
from harness.culvert import relay_to
from harness.peer import Listener, NamedServer, connect, read_line, refused_address
from harness.wait import duration, span, wait_until


def test_ejection_and_return(culvert):
    fail_timeout = span(2)
    good = NamedServer("good")
    dead = Listener(listening=False)
    relay = culvert(relay_to([f"dead {dead.address}", f"good {good.address}"], pool={
        "balance": "roundrobin", "max_fails": 2, "fail_timeout": duration(fail_timeout)}))

    def call():
        client = connect(relay.address())
        name = read_line(client)
        client.close()
        return name

    def refused():
        return relay.metric("culvert_connects_total", server="dead", result="refused")

    wait_until(lambda: call() == "good" and refused() >= 2, 3, "two failed connects")
    wait_until(lambda: relay.metric("culvert_server_up", server="dead") == 0, 2, "the ejection")
    before = refused()
    for _ in range(10):
        assert call() == "good"
    assert refused() == before, "an ejected server was tried"
    relay.wait_metric_from("culvert_server_transitions_total", 1, server="dead", cause="passive")
    # The server comes back: after fail_timeout one session tries it, then it is in again.
    dead.listen()
    wait_until(lambda: connect_reaches(relay, dead), fail_timeout + 5, "the server to be tried again")
    wait_until(lambda: relay.metric("culvert_server_up", server="dead") == 1, 2, "the return")


def connect_reaches(relay, listener):
    client = connect(relay.address())
    return not listener.nobody_came(0.02) and client is not None


def test_the_last_server_is_never_ejected(culvert):
    addresses = [refused_address() for _ in range(3)]
    relay = culvert(relay_to(addresses, pool={"max_fails": 1, "fail_timeout": "1h"}))
    for _ in range(10):
        connect(relay.address()).read_end()
    up = relay.metric("culvert_server_up")
    assert up >= 1
    refused = relay.metric("culvert_connects_total", result="refused")
    connect(relay.address()).read_end()
    wait_until(lambda: relay.metric("culvert_connects_total", result="refused") > refused, 2,
               "another attempt")


def test_max_fails_zero_never_ejects(culvert):
    good = NamedServer("good")
    relay = culvert(relay_to([f"dead {refused_address()}", f"good {good.address}"], pool={
        "balance": "first", "max_fails": 0}))
    for _ in range(12):
        assert read_line(connect(relay.address())) == "good"
    relay.wait_metric("culvert_connects_total", 12, server="dead", result="refused")
    assert relay.metric("culvert_server_up", server="dead") == 1
