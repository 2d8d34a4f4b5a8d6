# SPDX-License-Identifier: Apache-2.0
"""Certificates change while sessions run: by a swapped symlink as Kubernetes does it, found by
`reload_interval`, by HUP or by `culvert ctl reload`. No session notices; new ones get the new
certificate on every worker. A broken new certificate keeps the old one and says so in the log and
in the metrics; so does one that soon expires."""
import os
import signal

import pytest

from harness.certificates import authority, other_authority
from harness.culvert import relay_to, run_culvert
from harness.peer import FIN, Background, EchoServer, connect
from harness.tls import client_context, start_tls
from harness.wait import wait_until

NAME = "reloaded.test"


class Secret:
    """A folder as the kubelet mounts a secret: NAME -> ..data/NAME, and ..data -> ..generation."""

    def __init__(self, folder, identity):
        self.folder = folder
        self.generation = 0
        folder.mkdir()
        self.swap({"tls.crt": identity.cert_text, "tls.key": identity.key_text})
        for name in ("tls.crt", "tls.key"):
            (folder / name).symlink_to(f"..data/{name}")

    def swap(self, files):
        self.generation += 1
        fresh = self.folder / f"..{self.generation}"
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_text(content)
        (self.folder / "..tmp").symlink_to(fresh.name)
        os.replace(self.folder / "..tmp", self.folder / "..data")

    def put(self, identity):
        self.swap({"tls.crt": identity.cert_text, "tls.key": identity.key_text})


@pytest.fixture
def old():
    return authority().issue(NAME)


@pytest.fixture
def secret(tmp_path, old):
    return Secret(tmp_path / "secret", old)


def start(culvert, secret, workers=2, **tls):
    sections = relay_to(EchoServer(), listen={"tls": "in"}, **{"tls in": {"cert": secret.folder, **tls}})
    return culvert(sections, workers=workers)


def shown(relay, address=None):
    client = start_tls(connect(address or relay.address()), client_context(), name=NAME)
    client.send(b"ping")
    client.expect(b"ping")
    der = client.peer_certificate
    client.fin()
    client.expect_end(FIN)
    return der


def shown_everywhere(relay):
    """What many sessions in a row see: with two workers both are among them."""
    return {shown(relay) for _ in range(12)}


def ask_by_hup(relay):
    relay.send_signal(signal.SIGHUP)


def ask_by_control_socket(relay):
    status, text = relay.get("/api/v1/reload", method="POST")
    assert status == 200, text


def ask_by_ctl(relay):
    done = run_culvert("ctl", "reload", "--socket", relay.socket_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("ask", [ask_by_hup, ask_by_control_socket, ask_by_ctl, None],
                         ids=["hup", "control-socket", "ctl", "interval"])
def test_reload(culvert, secret, old, ask):
    relay = start(culvert, secret, reload_interval="off" if ask else "100ms")
    new = authority().issue(NAME)
    session = start_tls(connect(relay.address()), client_context(), name=NAME)
    assert session.peer_certificate == old.der
    assert shown_everywhere(relay) == {old.der}
    secret.put(new)
    if ask:
        assert shown(relay) == old.der  # nobody looks by himself
        ask(relay)
    wait_until(lambda: shown(relay) == new.der, 5, "the new certificate")
    wait_until(lambda: shown_everywhere(relay) == {new.der}, 5, "the new certificate on each worker")
    session.send(b"still here")
    session.expect(b"still here")
    session.fin()
    session.expect_end(FIN)
    record = relay.record_of(session)
    assert record["reason"] == "done"
    relay.wait_record(lambda one: one.get("event") == "tls_reloaded", 3, "event tls_reloaded")
    assert {one["reason"] for one in relay.session_records()} == {"done"}
    assert relay.metric("culvert_tls_certificate_expiry_timestamp_seconds", tls="in") == \
        pytest.approx(new.expires_at, abs=2)


def test_reload_under_load(culvert, secret, old):
    """Ten swaps while clients come and go without a pause: none fails, each gets the old or the
    new certificate whole."""
    relay = start(culvert, secret, reload_interval="100ms")
    identities = [old] + [authority().issue(NAME) for _ in range(4)]
    known = {one.der for one in identities}
    done, address = [], relay.address()

    def come_and_go():
        seen = set()
        while not done:
            seen.add(shown(relay, address))
        return seen

    visitors = [Background(come_and_go) for _ in range(3)]
    for number in range(10):
        identity = identities[number % len(identities)]
        secret.put(identity)
        wait_until(lambda: shown(relay) == identity.der, 5, "the certificate of this swap")
    done.append(True)
    seen = set().union(*(one.result() for one in visitors))
    assert seen <= known and len(seen) > 1
    assert {one["reason"] for one in relay.session_records()} == {"done"}


def broken_versions(old):
    new, other = authority().issue(NAME), authority().issue(NAME)
    expired = authority().issue(NAME, begins=-9, ends=-1)
    return {
        "other key": {"tls.crt": new.cert_text, "tls.key": other.key_text},
        "half written": {"tls.crt": new.cert_text[:len(new.cert_text) // 2], "tls.key": new.key_text},
        "empty": {"tls.crt": "", "tls.key": ""},
        "no key": {"tls.crt": new.cert_text},
        "junk": {"tls.crt": "junk\n" * 100, "tls.key": "junk\n"},
        "expired": {"tls.crt": expired.cert_text, "tls.key": expired.key_text},
    }


def test_broken_certificate(culvert, secret, old):
    """Each kind of break keeps the old certificate, is told once, and the next good one is taken."""
    relay = start(culvert, secret, reload_interval="100ms")
    failures = 0
    for kind, files in broken_versions(old).items():
        secret.swap(files)
        failures += 1

        def failed():
            return [one for one in relay.records() if one.get("event") == "tls_reload_failed"]

        wait_until(lambda: len(failed()) == failures, 5, f"event tls_reload_failed for {kind}")
        record = failed()[-1]
        assert record["level"] == "error" and str(secret.folder) in str(record), record
        assert shown_everywhere(relay) == {old.der}, kind
        relay.wait_metric("culvert_tls_reloads_total", failures, tls="in", result="failed")
        assert len(failed()) == failures, f"{kind} is told again and again"
    new = authority().issue(NAME)
    secret.put(new)
    wait_until(lambda: shown(relay) == new.der, 5, "the next good certificate")
    relay.wait_metric("culvert_tls_reloads_total", failures, tls="in", result="failed")
    relay.wait_metric_from("culvert_tls_reloads_total", 1, tls="in", result="ok")


def test_broken_on_request(culvert, secret, old):
    """Who asks is told, too."""
    relay = start(culvert, secret, reload_interval="off")
    secret.swap({"tls.crt": "junk", "tls.key": "junk"})
    status, text = relay.get("/api/v1/reload", method="POST")
    assert status != 200 and "certificate" in text, (status, text)
    relay.wait_record(lambda one: one.get("event") == "tls_reload_failed"
                      and "tls.crt" in str(one), 3, "event tls_reload_failed")
    assert shown(relay) == old.der


def test_authority_reload(culvert, tmp_path):
    """A new `ca_file` counts for new handshakes, also for those that resume an old session (R9)."""
    ca = tmp_path / "ca.pem"
    ca.write_text(authority().text)
    own = authority().issue("uri:spiffe://test/client")
    identity = authority().issue(NAME)
    relay = culvert(relay_to(EchoServer(), listen={"tls": "in"}, **{"tls in": {
        "cert": identity.pem, "ca_file": ca, "verify": "required", "reload_interval": "off"}}))
    context = client_context(identity=own)
    client = start_tls(connect(relay.address()), context, name=NAME)
    client.send(b"a")
    client.expect(b"a")
    session = client.ssl.session
    ca.write_text(other_authority().text)
    relay.send_signal(signal.SIGHUP)
    relay.wait_record(lambda one: one.get("event") == "tls_reloaded", 5, "event tls_reloaded")

    def is_denied():
        conn = connect(relay.address())
        try:
            again = start_tls(conn, context, name=NAME, session=session)
            again.send(b"b")
            return again.read_end()[0] == b""
        except (AssertionError, OSError):
            return True

    wait_until(is_denied, 5, "the old client to be denied")
    client.send(b"lives on")
    client.expect(b"lives on")
    client.fin()
    client.expect_end(FIN)


def test_expiry(culvert, tmp_path):
    """Less than 21 days left: a warning at start, and the metric says when."""
    soon, late = authority().issue("soon.test", ends=20), authority().issue("late.test", ends=22)
    for identity, is_told in ((soon, True), (late, False)):
        relay = culvert(relay_to(EchoServer(), listen={"tls": "in"},
                                 **{"tls in": {"cert": identity.pem}}))
        assert relay.metric("culvert_tls_certificate_expiry_timestamp_seconds", tls="in") == \
            pytest.approx(identity.expires_at, abs=2)
        if is_told:
            event = relay.wait_record(lambda one: one.get("event") == "tls_expiry", 3, "tls_expiry")
            assert event["level"] == "warn" and "soon.test" in str(event)
        relay.stop()
        events = [one for one in relay.records() if one.get("event") == "tls_expiry"]
        assert len(events) == is_told


def test_ctl_tls(culvert, secret, old):
    relay = start(culvert, secret)
    done = run_culvert("ctl", "tls", "--socket", relay.socket_path)
    assert done.returncode == 0, done.stderr
    assert "in" in done.stdout.split() and NAME in done.stdout
    told = relay.get_json("/api/v1/tls")
    assert NAME in str(told)
