# SPDX-License-Identifier: Apache-2.0
"""Routing by name without decrypting: the server gets the very bytes the client sent, bulk is
spliced, and what no route takes is refused as `no_route` says. One port may pass some names through
and terminate others. A map of 100,000 names is loaded at start in a moment."""
import collections
import signal

import pytest

from harness.certificates import authority, server_identity
from harness.peer import (FIN, RST, Background, EchoServer, Listener, NamedServer, connect,
                          exchange, start_splicing, stream)
from harness.tls import (TLS12, TLS13, HandshakeFailed, TlsConn, client_context, server_context,
                         start_tls)
from harness.wait import SLOW, wait_until


def hello(name, **more):
    """The bytes of a ClientHello that asks for `name`."""
    context = client_context(any_name=True, **more)
    probe = Listener()
    with connect(probe.address) as conn:
        made = TlsConn(conn, context, name=name).hello()
    probe.close()
    return made


def sections(servers, routes, **listen):
    whole = {"listen main": {"bind": "127.0.0.1:0", **listen}}
    for name, server in servers.items():
        whole[f"pool {name}"] = {"server": server.address}
    for name, keys in routes.items():
        whole[f"route {name}"] = {"listen": "main", **keys}
    return whole


def where(relay, servers, name, **more):
    """Which of `servers` gets the hello of a client that asks for `name`."""
    client = connect(relay.address())
    made = hello(name, **more)
    client.send(made)
    title = wait_until(lambda: next((title for title, server in servers.items()
                                     if not server.nobody_came(0)), None), 5, "a server to be reached")
    served = servers[title].accept()
    served.expect(made)
    client.fin()
    served.expect_end(FIN)
    served.fin()
    client.expect_end(FIN)
    record = relay.record_of(client)
    assert (record["reason"], record["pool"], record["sni"], record["tls"]) == \
        ("done", title, (name or "").lower(), ""), record
    return title


def test_names(culvert):
    servers = {name: Listener() for name in ("exact", "wild", "deep", "none", "h2", "near", "rest")}
    relay = culvert(sections(servers, {
        "exact": {"sni": "api.example.test", "pool": "exact"},
        "wild": {"sni": "*.example.test", "pool": "wild"},
        "deep": {"sni": "*.deep.example.test *.two.test", "pool": "deep"},
        "none": {"sni": "-", "pool": "none"},
        "h2": {"sni": "*.example.test", "alpn": "h2", "pool": "h2"},
        "near": {"sni": "near.test", "source": "127.0.0.0/8", "pool": "near"},
    }, pool="rest"))
    for name, more, want in (
            ("api.example.test", {}, "exact"), ("API.EXAMPLE.test", {}, "exact"),
            ("api.example.test", {"alpn": ["h2"]}, "exact"),
            ("www.example.test", {}, "wild"), ("www.example.test", {"alpn": ["http/1.1"]}, "wild"),
            ("www.example.test", {"alpn": ["http/1.1", "h2"]}, "h2"),
            ("a.b.example.test", {}, "rest"), ("example.test", {}, "rest"),
            ("x.deep.example.test", {}, "deep"), ("x.two.test", {}, "deep"),
            (None, {}, "none"), ("near.test", {}, "near"), ("other.test", {}, "rest"),
            ("api.example.test", {"version": TLS12}, "exact")):
        assert where(relay, servers, name, **more) == want, (name, more)


def test_bytes_and_splice(culvert):
    """A whole session between TLS ends that the relay knows nothing of: bulk goes by splice."""
    server = Listener()
    relay = culvert(sections({"one": server}, {"one": {"sni": "server.test", "pool": "one"}}))
    client = connect(relay.address())
    tls = TlsConn(client, client_context(version=TLS13), name="server.test")
    first = tls.hello()
    tls.send_raw(first)
    served = server.accept()
    answered = TlsConn(served, server_context(version=TLS13), server=True)
    answered.incoming.write(served.read(len(first)))
    answering = Background(answered.handshake)
    tls.handshake()
    answering.result()
    exchange(tls, answered)
    start_splicing(relay, tls, answered)
    stream(answered, tls, 4 << 20)
    tls.fin()
    answered.expect_end(FIN)
    answered.cut()  # not our business here: the TCP stream ends
    tls.read_end()
    record = relay.record_of(tls)
    assert (record["reason"], record["tls"], record["sni"]) == ("done", "", "server.test")
    assert record["path"] in ("splice", "mixed")


@pytest.mark.parametrize("no_route", ["reset", "close", "alert"])
@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_no_route(culvert, no_route, version):
    server = NamedServer("one")
    relay = culvert(sections({"one": server}, {"one": {"sni": "one.test", "pool": "one"}},
                             no_route=no_route))
    client = connect(relay.address())
    with pytest.raises(HandshakeFailed) as failure:
        start_tls(client, client_context(version=version), name="two.test")
    want = {"reset": {RST}, "close": {FIN}, "alert": {"TLSV1_UNRECOGNIZED_NAME"}}[no_route]
    assert failure.value.reason in want
    record = relay.record_of(client)
    assert (record["reason"], record["sni"], record["pool"]) == ("no_route", "two.test", "")
    assert server.total == 0


def test_alert_is_not_overtaken(culvert):
    """Whatever the client sent, it reads the alert and then an end, never a reset before it."""
    server = NamedServer("one")
    relay = culvert(sections({"one": server}, {"one": {"sni": "one.test", "pool": "one"}},
                             no_route="alert"))
    made = hello("two.test")
    for glued in (b"", b"x" * 5, b"x" * 100_000):
        client = connect(relay.address())
        try:
            client.send(made + glued)
        except (ConnectionResetError, BrokenPipeError):
            pass  # it may end while we still send; what it said must be there
        got, end = client.read_end()
        assert got == b"\x15\x03" + got[2:3] + b"\x00\x02\x02\x70", got
        if len(glued) < 1000:
            assert end == FIN


def test_pass_through_and_termination_on_one_port(culvert):
    """Per route: one name is terminated with one certificate, one with another, one passes through,
    and the listener's own way takes the rest."""
    plain, through = EchoServer(), Listener()
    one, two = authority().issue("one.test"), authority().issue("two.test")
    whole = sections({"plain": plain, "through": through}, {
        "one": {"sni": "one.test", "pool": "plain", "tls": one.pem},
        "two": {"sni": "two.test", "pool": "plain", "tls": "second"},
        "through": {"sni": "server.test", "pool": "through", "tls": "off"},
    }, pool="plain", tls="rest")
    whole["tls second"] = {"cert": two.cert, "key": two.key}
    rest = authority().issue("rest.test")
    whole["tls rest"] = {"cert": rest.pem}
    relay = culvert(whole)
    for name, identity in (("one.test", one), ("two.test", two), ("rest.test", rest)):
        client = start_tls(connect(relay.address()), client_context(), name=name)
        assert client.peer_certificate == identity.der
        client.send(b"echo")
        client.expect(b"echo")
        client.fin()
        client.expect_end(FIN)
        record = relay.record_of(client)
        assert (record["tls"], record["sni"]) == ("TLSv1.3", name)
    client = TlsConn(connect(relay.address()), client_context(), name="server.test")
    client.send_raw(client.hello())
    served = TlsConn(through.accept(), server_context(), server=True)
    answering = Background(served.handshake)
    client.handshake()
    answering.result()
    assert client.peer_certificate == server_identity().der
    exchange(client, served)
    client.fin()
    served.expect_end(FIN)
    served.fin()
    client.expect_end(FIN)
    assert relay.record_of(client)["tls"] == ""


def test_sni_map(culvert, tmp_path):
    """100,000 exact names and a thousand wildcards: loading takes less than a second of processor time."""
    servers = {name: Listener() for name in ("even", "odd", "wild", "rest")}
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.write_text("only.test even\n")
    lines = ["# host pool", ""]
    lines += [f"host-{i}.customer-{i % 977}.test {'odd' if i % 2 else 'even'}" for i in range(100_000)]
    lines += [f"*.wild-{i}.test wild" for i in range(1000)]
    full.write_text("\n".join(lines) + "\n")
    seconds = []
    for path in (empty, full):
        relay = culvert(sections(servers, {}, pool="rest", sni_map=path))
        seconds.append(relay.cpu_s())
    assert seconds[1] - seconds[0] < SLOW, seconds
    for name, want in (("host-0.customer-0.test", "even"), ("host-99999.customer-345.test", "odd"),
                       ("HOST-77.CUSTOMER-77.TEST", "odd"), ("x.wild-999.test", "wild"),
                       ("host-0.customer-1.test", "rest"), ("a.x.wild-1.test", "rest")):
        assert where(relay, servers, name) == want, name


def put(path, text):
    """As an operator should: another file takes the place of the old one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


def events(relay, name):
    return [one for one in relay.records() if one.get("event") == name]


def by_itself(relay):
    pass


def by_hup(relay):
    relay.send_signal(signal.SIGHUP)


def by_request(relay):
    relay.get("/api/v1/reload", method="POST")


@pytest.mark.parametrize("ask", [by_itself, by_hup, by_request])
def test_sni_map_changes(culvert, tmp_path, ask):
    """A changed map counts for the next client, also with a pool that no line had named before; the
    sessions of before go on."""
    servers = {name: Listener() for name in ("first", "second", "rest")}
    path = tmp_path / "names.map"
    path.write_text("a.test first\n*.b.test first\n")
    relay = culvert(sections(servers, {}, pool="rest", sni_map=path), workers=2)
    assert where(relay, servers, "a.test") == "first"
    assert where(relay, servers, "x.b.test") == "first"
    assert relay.metric("culvert_sni_map_names", listener="main") == 2
    live = connect(relay.address())
    live.send(hello("a.test"))
    served = servers["first"].accept()
    served.read(len(hello("a.test")))
    put(path, "a.test second\nc.test second\nd.test first\n")
    ask(relay)
    relay.wait_record(lambda one: one.get("event") == "sni_map_reloaded", 6, "sni_map_reloaded")
    assert where(relay, servers, "a.test") == "second"
    assert where(relay, servers, "x.b.test") == "rest"
    assert where(relay, servers, "c.test") == "second"
    assert relay.metric("culvert_sni_map_names", listener="main") == 3
    relay.wait_metric_from("culvert_sni_map_reloads_total", 1, listener="main", result="ok")
    exchange(live, served)
    live.fin()
    served.expect_end(FIN)
    served.fin()
    live.expect_end(FIN)
    assert relay.record_of(live)["pool"] == "first"
    # Each session is counted for its pool, also one that the map named later.
    relay.wait_metric_from("culvert_sessions_closed_total", 1, pool="second")


def test_sni_map_breaks(culvert, tmp_path):
    """What is broken is told once, with its line, and the names of before stay."""
    servers = {name: Listener() for name in ("first", "second", "rest")}
    path = tmp_path / "names.map"
    path.write_text("a.test first\n")
    relay = culvert(sections(servers, {}, pool="rest", sni_map=path))
    for text, word in [
            ("a.test second\nb.test nowhere\n", ":2: there is no [pool nowhere]"),
            ("a.test second\n\nhalf.test\n", ":3:"),
            ("a.test second\nx\x1b[31m.test second\n", ":2:")]:
        before = len(events(relay, "sni_map_reload_failed"))
        put(path, text)
        status, answer = relay.get("/api/v1/reload", method="POST")
        assert status == 503 and '"failed":1' in answer.replace(" ", ""), answer
        wait_until(lambda: len(events(relay, "sni_map_reload_failed")) > before, 3, "the complaint")
        told = events(relay, "sni_map_reload_failed")[-1]
        assert (told["level"], told["listener"], told["file"]) == ("error", "main", str(path))
        assert f"{path}{word}" in told["message"], told
        assert where(relay, servers, "a.test") == "first"
    # The watch looks as well and does not tell it again; then the file is mended.
    failed = relay.metric("culvert_sni_map_reloads_total", listener="main", result="failed")
    assert failed >= 3
    put(path, "a.test second\n")
    relay.wait_record(lambda one: one.get("event") == "sni_map_reloaded", 6, "sni_map_reloaded")
    assert len(events(relay, "sni_map_reload_failed")) == failed
    assert where(relay, servers, "a.test") == "second"
    assert relay.metric("culvert_sni_map_reloads_total", listener="main", result="failed") == failed


def test_sni_map_changes_under_load(culvert, tmp_path):
    """Clients come without a pause while a large map is replaced: each is served by the old map or
    by the new one, and who comes behind the answer by the new one."""
    servers = {name: NamedServer(name) for name in ("first", "second")}
    path = tmp_path / "names.map"
    many = "".join(f"host-{i}.test first\n" for i in range(20_000))
    path.write_text(many + "a.test first\n")
    relay = culvert(sections(servers, {}, sni_map=path), workers=2)
    made, seen, done = hello("a.test"), collections.Counter(), []
    address = relay.address()

    def come_and_go():
        while not done:
            client = connect(address)
            client.send(made)
            seen[client.read_some()] += 1
            client.rst()

    visitors = [Background(come_and_go) for _ in range(2)]
    for number in range(6):
        name = "first" if number % 2 else "second"
        put(path, many + f"a.test {name}\n")
        relay.get("/api/v1/reload", method="POST", seconds=20)
        before = seen[name.encode() + b"\n"]
        wait_until(lambda: seen[name.encode() + b"\n"] > before + 4, 10, f"the visitors to see {name}")
    done.append(True)
    for visitor in visitors:
        visitor.result()
    assert set(seen) == {b"first\n", b"second\n"}
    # The watch may have come before some of the requests.
    relay.wait_metric_from("culvert_sni_map_reloads_total", 6, listener="main", result="ok")
