# SPDX-License-Identifier: Apache-2.0
"""The OCSP staple that a client asks for, and the file that lets others decrypt."""
import os

import pytest

from harness import programs
from harness.certificates import authority
from harness.culvert import relay_to
from harness.peer import FIN, EchoServer, connect, parse_address
from harness.tls import TLS12, TLS13, client_context, start_tls
from harness.wait import wait_until


@pytest.mark.programs
@programs.needs("openssl")
def test_staple(culvert):
    identity = authority().issue("stapled.test")
    for staple in (authority().staple(identity), None):
        tls = {"cert": identity.pem, **({"ocsp_file": staple} if staple else {})}
        relay = culvert(relay_to(EchoServer(), listen={"tls": "in"}, **{"tls in": tls}))
        port = parse_address(relay.address())[1][1]
        for version in ("-tls1_2", "-tls1_3"):
            told = programs.run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", version,
                                "-servername", "stapled.test", "-CAfile", authority().file,
                                "-status", input="")
            if staple:
                assert "OCSP Response Status: successful" in told
                assert "Cert Status: good" in told
            else:
                assert "no response sent" in told


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_keylog_file(culvert, tmp_path, version):
    """What it says is what the client's own key log says; the file is its owner's alone, and the
    start warns."""
    ours, theirs = tmp_path / "relay.keys", tmp_path / "client.keys"
    identity = authority().issue("server.test")
    relay = culvert(relay_to(EchoServer(), listen={"tls": "in"}, **{"tls in": {
        "cert": identity.pem, "keylog_file": ours}}))
    relay.wait_record(lambda one: one.get("level") == "warn" and "keylog" in str(one), 3,
                      "a warning of keylog_file")
    context = client_context(version=version)
    context.keylog_filename = str(theirs)
    client = start_tls(connect(relay.address()), context)
    client.send(b"a")
    client.expect(b"a")
    client.fin()
    client.expect_end(FIN)
    assert os.stat(ours).st_mode & 0o077 == 0

    def lines(path):
        return {line for line in path.read_text().splitlines() if not line.startswith("#")}

    wait_until(lambda: lines(ours) == lines(theirs) and lines(ours), 3, "the same lines")
