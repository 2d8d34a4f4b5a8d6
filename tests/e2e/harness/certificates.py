# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests: an authority of its own for each test process, keys made when asked for.

    authority().issue("server.test", "*.wild.test")     # ECDSA P-256, files in a temporary folder
    authority().issue("uri:spiffe://test/client")       # what a client shows
    other_authority()                                   # nobody trusts it
"""
import atexit
import datetime
import functools
import ipaddress
import itertools
import os
import tempfile
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM
DAY = datetime.timedelta(days=1)
_numbers = itertools.count()
_lock = threading.RLock()


def once(make):
    """Calls `make` for the first who asks, of however many threads."""
    kept = []

    @functools.wraps(make)
    def ask():
        with _lock:
            if not kept:
                kept.append(make())
            return kept[0]

    return ask


@once
def folder():
    """The folder of everything made here; readable for servers that give up root."""
    made = tempfile.TemporaryDirectory(prefix="culvert-certificates-")
    os.chmod(made.name, 0o755)
    atexit.register(made.cleanup)
    return made.name


def write(name, content):
    path = os.path.join(folder(), name)
    with open(path, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    os.chmod(path, 0o644)
    return path


def new_key(kind="ecdsa"):
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def key_text(key):
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def general_name(text):
    """'dns:a.test', 'uri:spiffe://...', 'ip:127.0.0.1', 'email:...'; without a word: a DNS name."""
    word, colon, rest = text.partition(":")
    if colon and word == "uri":
        return x509.UniformResourceIdentifier(rest)
    if colon and word == "ip":
        return x509.IPAddress(ipaddress.ip_address(rest))
    if colon and word == "email":
        return x509.RFC822Name(rest)
    return x509.DNSName(rest if colon and word == "dns" else text)


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Identity:
    """A certificate and its key. `pem` holds the chain and the key, `cert` and `key` one each."""

    def __init__(self, certificate, key, issuer):
        self.certificate = certificate
        self.private_key = key
        self.issuer = issuer
        self.cert_text = certificate.public_bytes(PEM).decode()
        self.key_text = key_text(key).decode()
        name = f"{next(_numbers)}"
        self.cert = write(name + ".crt", self.cert_text)
        self.key = write(name + ".key", self.key_text)
        self.pem = write(name + ".pem", self.text)

    @property
    def text(self):
        return self.cert_text + self.key_text

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def expires_at(self):
        return self.certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()


class Authority:
    def __init__(self, name):
        self.key = new_key()
        now = datetime.datetime.utcnow()
        self.certificate = (
            x509.CertificateBuilder().subject_name(common_name(name)).issuer_name(common_name(name))
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * DAY).not_valid_after(now + 3650 * DAY)
            .add_extension(x509.BasicConstraints(True, None), True)
            .add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False),
                           True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
            .sign(self.key, hashes.SHA256()))
        self.text = self.certificate.public_bytes(PEM).decode()
        self.file = write(f"authority-{next(_numbers)}.pem", self.text)

    def issue(self, *names, cn=None, key="ecdsa", begins=-1, ends=365):
        """A certificate for `names`, valid from `begins` to `ends` in days from now."""
        private = new_key(key)
        now = datetime.datetime.utcnow()
        builder = (
            x509.CertificateBuilder()
            .subject_name(common_name(cn or (names[0] if names else "nobody")[:64]))
            .issuer_name(self.certificate.subject).public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins * DAY).not_valid_after(now + ends * DAY)
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH,
                                                  ExtendedKeyUsageOID.CLIENT_AUTH]), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                self.key.public_key()), False))
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([general_name(one) for one in names]), False)
        return Identity(builder.sign(self.key, hashes.SHA256()), private, self)

    def revoke(self, *identities):
        """The path of a revocation list with these in it."""
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
                   .last_update(now - DAY).next_update(now + 30 * DAY))
        for one in identities:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
                .revocation_date(now - DAY).build())
        crl = builder.sign(self.key, hashes.SHA256())
        return write(f"{next(_numbers)}.crl", crl.public_bytes(PEM))

    def staple(self, identity):
        """The path of an OCSP answer (DER) that says that `identity` is good."""
        now = datetime.datetime.utcnow()
        answer = (ocsp.OCSPResponseBuilder()
                  .add_response(identity.certificate, self.certificate, hashes.SHA1(),
                                ocsp.OCSPCertStatus.GOOD, now - DAY, now + 7 * DAY, None, None)
                  .responder_id(ocsp.OCSPResponderEncoding.NAME, self.certificate)
                  .sign(self.key, hashes.SHA256()))
        return write(f"{next(_numbers)}.ocsp",
                     answer.public_bytes(serialization.Encoding.DER))


@once
def authority():
    return Authority("culvert test authority")


@once
def other_authority():
    return Authority("an authority that nobody trusts")


@once
def server_identity():
    """What terminating listeners and TLS servers of the tests show: server.test."""
    return authority().issue("server.test", "ip:127.0.0.1")
