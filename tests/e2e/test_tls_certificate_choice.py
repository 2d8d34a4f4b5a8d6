# SPDX-License-Identifier: Apache-2.0
"""Which certificate a client gets: by the name it asks for (exact before wildcard, one label only),
by the kind of key it can check, else the default one, or an alert when `sni_mismatch` says so."""
import os
import shutil
import ssl

import pytest

from harness.certificates import authority
from harness.culvert import relay_to
from harness.peer import FIN, EchoServer, connect
from harness.tls import TLS12, HandshakeFailed, client_context, start_tls


@pytest.fixture(scope="module")
def identities():
    return {
        "default": authority().issue("default.test"),
        "exact": authority().issue("api.example.test"),
        "wild": authority().issue("*.example.test", "example.test"),
        "both": authority().issue("one.test", "two.test"),
        "rsa": authority().issue("api.example.test", key="rsa"),
    }


def start(culvert, **tls):
    return culvert(relay_to(EchoServer(), listen={"tls": "in"}, **{"tls in": tls}))


def shown(relay, name, **more):
    """The certificate that a client of this name sees; the session then works to its end."""
    client = start_tls(connect(relay.address()), client_context(any_name=True, **more), name=name)
    client.send(b"ping")
    client.expect(b"ping")
    client.fin()
    client.expect_end(FIN)
    record = relay.record_of(client)
    assert (record["reason"], record["sni"]) == ("done", (name or "").lower().rstrip("."))
    return client.peer_certificate


def test_cert_and_key_in_two_files(culvert, identities):
    one = identities["default"]
    relay = start(culvert, cert=one.cert, key=one.key)
    assert shown(relay, "default.test") == one.der
    assert shown(relay, "any.other.name") == one.der
    assert shown(relay, None) == one.der


def test_path_of_a_pem_or_a_folder(culvert, identities, tmp_path):
    """`tls = PATH` without a section: a PEM, or a folder as Kubernetes mounts a secret."""
    one, two = identities["default"], identities["exact"]
    shutil.copy(two.cert, tmp_path / "tls.crt")
    shutil.copy(two.key, tmp_path / "tls.key")
    for path, identity in ((one.pem, one), (str(tmp_path), two)):
        relay = culvert(relay_to(EchoServer(), listen={"tls": path}))
        assert shown(relay, "x.test") == identity.der


def test_cert_dir(culvert, identities, tmp_path):
    for name in ("exact", "wild", "both"):
        (tmp_path / f"{name}.pem").write_text(identities[name].text)
    relay = start(culvert, cert=identities["default"].pem, cert_dir=tmp_path)
    for name, identity in (
            ("api.example.test", "exact"), ("API.Example.Test", "exact"),
            ("www.example.test", "wild"), ("example.test", "wild"),
            ("a.b.example.test", "default"), ("one.test", "both"), ("two.test", "both"),
            ("three.test", "default"), (None, "default")):
        assert shown(relay, name) == identities[identity].der, name


def test_cert_dir_without_default(culvert, identities, tmp_path):
    """The first file in the order of names is the default one; a key may lie beside its chain."""
    one, two = identities["exact"], identities["both"]
    (tmp_path / "10-first.pem").write_text(one.cert_text)
    shutil.copy(one.key, tmp_path / "10-first.key")
    (tmp_path / "20-second.pem").write_text(two.text)
    (tmp_path / "README").write_text("not a certificate")
    relay = start(culvert, cert_dir=tmp_path)
    assert shown(relay, "nobody.test") == one.der
    assert shown(relay, "two.test") == two.der
    assert sorted(os.listdir(tmp_path))[0] == "10-first.key"


def test_sni_mismatch_alert(culvert, identities):
    one = identities["exact"]
    relay = start(culvert, cert=one.pem, sni_mismatch="alert")
    assert shown(relay, "api.example.test") == one.der
    assert shown(relay, None) == one.der  # who asks for no name mismatches none
    client = connect(relay.address())
    with pytest.raises(HandshakeFailed) as failure:
        start_tls(client, client_context(any_name=True), name="other.test")
    assert failure.value.reason == "TLSV1_UNRECOGNIZED_NAME"
    record = relay.record_of(client)
    assert (record["reason"], record["sni"]) == ("client_tls", "other.test")
    assert record["tls_error"]


def test_two_kinds_of_key(culvert, identities, tmp_path):
    """RSA and ECDSA for the same name: each client gets what it can check."""
    (tmp_path / "a.pem").write_text(identities["exact"].text)
    (tmp_path / "b.pem").write_text(identities["rsa"].text)
    relay = start(culvert, cert=identities["default"].pem, cert_dir=tmp_path)
    name = "api.example.test"
    assert shown(relay, name, version=TLS12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256") == \
        identities["exact"].der
    assert shown(relay, name, version=TLS12, ciphers="ECDHE-RSA-AES128-GCM-SHA256") == \
        identities["rsa"].der
    assert shown(relay, name) in (identities["exact"].der, identities["rsa"].der)


def test_chain(culvert, identities, tmp_path):
    """All certificates of the file are sent, in its order."""
    one = identities["default"]
    path = tmp_path / "chain.pem"
    path.write_text(one.cert_text + authority().text + one.key_text)
    relay = start(culvert, cert=path)
    client = start_tls(connect(relay.address()), client_context(), name="default.test")
    chain = client.ssl._sslobj.get_unverified_chain()
    assert [ssl.PEM_cert_to_DER_cert(text.public_bytes()) for text in chain] == \
        [one.der, ssl.PEM_cert_to_DER_cert(authority().text)]
    client.fin()
    client.expect_end(FIN)
