# SPDX-License-Identifier: Apache-2.0
"""ClientHellos made by hand, right and wrong (RFC 8446, RFC 6066), and first bytes that are none.

    records(message(extensions=[server_name(b"a.test"), *MODERN]), piece=5)
"""

CLIENT_HELLO, SERVER_HELLO = 1, 2
HANDSHAKE, ALERT, CHANGE_CIPHER_SPEC, APPLICATION_DATA = 22, 21, 20, 23


def vector(width, data):
    return len(data).to_bytes(width, "big") + data


def extension(kind, body):
    return kind.to_bytes(2, "big") + vector(2, body)


def server_name(*names, kind=0):
    return extension(0, vector(2, b"".join(bytes([kind]) + vector(2, name) for name in names)))


def protocols(*names):
    return extension(16, vector(2, b"".join(vector(1, name) for name in names)))


# What each modern client sends: groups, signatures, versions, a key share for X25519.
MODERN = [
    extension(10, vector(2, bytes.fromhex("001d0017"))),
    extension(13, vector(2, bytes.fromhex("0403080404010201"))),
    extension(43, vector(1, bytes.fromhex("03040303"))),
    extension(45, b"\x01\x01"),
    extension(51, vector(2, bytes.fromhex("001d") + vector(2, bytes(range(32))))),
]


def message(extensions=None, *, version=0x0303, session_id=bytes(32), kind=CLIENT_HELLO,
            compressions=b"\0", total=0):
    """The handshake message; `total` is added to the length of all extensions."""
    body = version.to_bytes(2, "big") + bytes(range(32)) + vector(1, session_id)
    body += vector(2, bytes.fromhex("130113021303c02bc02f002f")) + vector(1, compressions)
    if extensions is not None:
        data = b"".join(extensions)
        body += (len(data) + total).to_bytes(2, "big") + data
    return bytes([kind]) + vector(3, body)


def record(data, *, kind=HANDSHAKE, version=0x0301):
    return bytes([kind]) + version.to_bytes(2, "big") + vector(2, data)


def records(data, piece=16384):
    return b"".join(record(data[start:start + piece]) for start in range(0, len(data), piece))


def hello(*names, piece=16384, more=(), **keys):
    """A whole ClientHello that asks for `names` (normally one)."""
    named = [server_name(*names)] if names else []
    return records(message([*named, *MODERN, *more], **keys), piece)


def padded(name, size, piece=16384):
    """A message of exactly `size` bytes."""
    plain = len(message([server_name(name), *MODERN, extension(21, b"")]))
    return hello(name, more=[extension(21, bytes(size - plain))], piece=piece)


NAME = b"api.hello.test"
LONGEST = b"n" * 63 + b"." + b"o" * 63 + b"." + b"p" * 63 + b"." + b"q" * 63
GREASE = [extension(0x0A0A + 0x1010 * i, bytes(i % 2)) for i in range(16)]

# title: (bytes, the name that the record tells)
RIGHT = {
    "TLS 1.0": (records(message([server_name(NAME)], version=0x0301)), NAME),
    "TLS 1.2": (records(message([server_name(NAME), *MODERN[:2]])), NAME),
    "TLS 1.3": (hello(NAME), NAME),
    "no extensions": (records(message(None, version=0x0301)), b""),
    "zero extensions": (records(message([])), b""),
    "no name": (hello(), b""),
    "empty name": (hello(b""), b""),
    "name of 255": (hello(LONGEST), LONGEST),
    "upper case": (hello(b"API.Hello.TEST"), NAME),
    "trailing dot": (hello(NAME + b"."), NAME),
    "IPv4 address": (hello(b"192.0.2.1"), b"192.0.2.1"),
    "asterisk": (hello(b"*.hello.test"), b"*.hello.test"),
    "hostile name": (hello(b"<img/src=x>'\"\\{}%s"), b"<img/src=x>'\"\\{}%s"),
    "1000 extensions": (hello(NAME, more=GREASE + [extension(0x8000 + 2 * i, bytes(i % 8))
                                                   for i in range(984)]), NAME),
    "protocols": (hello(NAME, more=[protocols(b"h2", b"http/1.1", b"p" * 255)]), NAME),
    **{f"{count} records": (hello(NAME, piece=-(-len(message([server_name(NAME), *MODERN])) // count)),
                            NAME) for count in (2, 10, 50)},
    "records of 1 byte": (hello(NAME, piece=1), NAME),
    "large": (padded(NAME, 16384), NAME),
    "large, in records of 100": (padded(NAME, 16384, 100), NAME),
    "post-quantum key share": (hello(NAME, more=[extension(0x11EC, bytes(1216))]), NAME),
    "encrypted hello": (hello(NAME, more=[extension(0xFE0D, b"\0" + bytes(200))]), NAME),
    "glued": (hello(NAME) + record(bytes(500), kind=APPLICATION_DATA) + b"and more", NAME),
    "second hello": (hello(NAME) + record(b"\1", kind=CHANGE_CIPHER_SPEC) + hello(b"b.test"), NAME),
}

# title: (bytes, part of what the record tells)
WRONG = {
    "name of 256": (hello(LONGEST + b"x"), "longer than 255 bytes"),
    "name claims 65535": (hello(more=[extension(0, b"\0\x44\0\xff\xff" + b"a" * 65)]), "server_name"),
    "list longer than name": (hello(more=[extension(0, b"\0\x09\0\0\x05a.com")]), "server_name"),
    "list shorter than name": (hello(more=[extension(0, b"\0\x07\0\0\x05a.com")]), "server_name"),
    "empty list": (hello(more=[extension(0, b"\0\0")]), "server_name"),
    "two names": (hello(b"a.test", b"b.test"), "more than one name"),
    "two name extensions": (hello(b"a.test", more=[server_name(b"b.test")]), "twice"),
    "type of name": (hello(more=[server_name(b"a.test", kind=1)]), "no host name"),
    "NUL in name": (hello(b"api.hello.test\0.evil.test"), "byte that no name has"),
    "control byte": (hello(b"a\nb.test"), "byte that no name has"),
    "UTF-8": (hello("bücher.test".encode()), "byte that no name has"),
    "extensions claim more": (hello(NAME, total=1), "length in the ClientHello"),
    "extensions claim less": (hello(NAME, total=-1), "length in the ClientHello"),
    "protocols twice": (hello(NAME, more=[protocols(b"h2"), protocols(b"h2")]), "twice"),
    "empty protocol": (hello(NAME, more=[protocols(b"h2", b"")]), "ALPN"),
    "long session id": (hello(NAME, session_id=bytes(33)), "length in the ClientHello"),
    "no compression": (hello(NAME, compressions=b""), "no compression"),
    "ServerHello": (hello(NAME, kind=SERVER_HELLO), "another handshake message"),
    "empty record": (record(b"") + hello(NAME), "record is empty"),
    "record of 16385": (record(bytes([1]) + bytes(16384)), "record is longer"),
    "hello of 16385": (padded(NAME, 16385), "ClientHello is longer"),
    "hello of 16 MiB": (record(b"\1\xff\xff\xff" + bytes(100)), "ClientHello is longer"),
    "alert amid": (records(message([server_name(NAME), *MODERN]), 100)[:105] +
                   record(b"\1\x5a", kind=ALERT) + record(bytes(100)), "another kind of record"),
    "alert first": (record(b"\2\x28", kind=ALERT), "TLS alert"),
    "CCS first": (record(b"\1", kind=CHANGE_CIPHER_SPEC) + hello(NAME), "change_cipher_spec"),
    "data first": (record(b"GET /", kind=APPLICATION_DATA), "application data"),
    "SSLv2": (bytes.fromhex("802e010301001500000010" + "00002f") + bytes(34), "SSLv2"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "plain HTTP"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "plain HTTP"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
    "RDP": (bytes.fromhex("030000130ee000000000000100080003000000"), "RDP"),
    "PROXY": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "PROXY"),
    "zeros": (bytes(65536), "no TLS record"),
    "ones": (b"\xff" * 65536, "no TLS record"),
    "text": (b"hello\r\n", "no TLS record"),
}
