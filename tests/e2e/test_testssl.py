# SPDX-License-Identifier: Apache-2.0
"""testssl.sh against a terminating listener: protocols, server defaults and vulnerabilities. Nothing
is worse than low but for what the certificate lacks, and low is only what it says of any server with
OpenSSL's default ciphers (nginx among them)."""
import json
import subprocess

import pytest

from harness import programs
from harness.certificates import authority, server_identity
from harness.culvert import relay_to
from harness.peer import parse_address

pytestmark = [pytest.mark.programs, programs.needs("testssl", "nginx"), pytest.mark.soak,
              pytest.mark.deadline(1800)]

# Severities from harmless to bad; WARN is a check that could not be made.
ORDER = ["OK", "INFO", "WARN", "LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL"]
# The test's authority publishes neither revocation lists nor a responder.
OF_THE_CERTIFICATE = {"cert_revocation"}


def findings(port, out, *checks):
    subprocess.run([programs.find("testssl"), "--quiet", "--color", "0", "--warnings", "off",
                    "--nodns", "none", "--ip", "127.0.0.1", "--add-ca", authority().file, "--jsonfile",
                    str(out), *checks, f"server.test:{port}"],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=1500, check=False)
    found = {one["id"]: one for one in json.loads(out.read_text())}
    assert "TLS1_3" in found and "heartbleed" in found, f"testssl did not finish: {list(found)}"
    return found


def worse_than(found, limit):
    return {name: one["finding"] for name, one in found.items()
            if ORDER.index(one["severity"]) > ORDER.index(limit)}


def test_testssl(culvert, tmp_path):
    checks = ("-p", "-S", "-U")
    identity = server_identity()
    with programs.nginx_http(tmp_path) as path:
        relay = culvert(relay_to(f"unix:{path}", listen={"tls": "in"},
                                 **{"tls in": {"cert": identity.pem}}))
        ours = findings(parse_address(relay.address())[1][1], tmp_path / "ours.json", *checks)
    bad = worse_than(ours, "LOW")
    assert set(bad) <= OF_THE_CERTIFICATE, bad
    # The ciphers of TLS 1.2 with CBC are OpenSSL's default, there as here.
    low = worse_than(ours, "WARN")
    assert set(low) <= OF_THE_CERTIFICATE | {"LUCKY13"}, low
