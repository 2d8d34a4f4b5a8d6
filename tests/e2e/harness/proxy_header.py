# SPDX-License-Identifier: Apache-2.0
"""PROXY headers, right and wrong ones, and a reader of those that culvert sends."""
import ipaddress
import struct
from collections import namedtuple

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TCP4, TCP6, UNSPEC = 0x11, 0x21, 0x00
LOCAL, PROXY = 0x20, 0x21
SOURCE, DESTINATION = ("192.0.2.1", 50000), ("203.0.113.5", 443)
SOURCE6, DESTINATION6 = ("2001:db8::1", 50000), ("2001:db8::2", 443)
CLIENT, CLIENT6 = "192.0.2.1:50000", "[2001:db8::1]:50000"

ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL = 1, 2, 3, 4, 5, 0x20
SSL_VERSION, SSL_CN, SSL_CIPHER = 0x21, 0x22, 0x23


def addresses(source=SOURCE, destination=DESTINATION):
    return (ipaddress.ip_address(source[0]).packed + ipaddress.ip_address(destination[0]).packed
            + struct.pack("!HH", source[1], destination[1]))


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def v2(body=None, *, command=PROXY, family=TCP4, length=None, version=2, signature=SIGNATURE):
    body = addresses() if body is None else body
    length = len(body) if length is None else length
    return signature + struct.pack("!BBH", version << 4 | command & 15, family, length) + body


def v1(line="TCP4 192.0.2.1 203.0.113.5 50000 443", end=b"\r\n"):
    return b"PROXY " + (line if isinstance(line, bytes) else line.encode()) + end


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def with_checksum(body=None):
    header = v2((addresses() if body is None else body) + tlv(CRC32C, bytes(4)))
    return header[:-4] + struct.pack("!I", crc32c(header))


# What a header says of the client; None: that it is who it is.
RIGHT = {
    "v1 TCP4": (v1(), CLIENT),
    "v1 TCP6": (v1("TCP6 2001:db8::1 2001:db8::2 50000 443"), CLIENT6),
    "v1 mapped": (v1("TCP6 ::ffff:192.0.2.1 ::ffff:203.0.113.5 50000 443"), CLIENT),
    "v1 UNKNOWN": (v1("UNKNOWN"), None),
    "v1 UNKNOWN of 107 bytes": (v1("UNKNOWN " + "x" * (107 - 16)), None),
    "v2 TCP4": (v2(), CLIENT),
    "v2 TCP6": (v2(addresses(SOURCE6, DESTINATION6), family=TCP6), CLIENT6),
    "v2 LOCAL": (v2(b"", command=LOCAL, family=UNSPEC), None),
    "v2 LOCAL with addresses": (v2(command=LOCAL), None),
    "v2 UNSPEC with junk": (v2(b"j" * 40, family=UNSPEC), None),
    "v2 NOOP and unknown TLV": (v2(addresses() + tlv(NOOP, b"") + tlv(0xee, b"any")), CLIENT),
    "v2 odd authority": (v2(addresses() + tlv(AUTHORITY, b"a\0\x1b[31m\n<b>\"")), CLIENT),
    "v2 SSL": (v2(addresses() + tlv(SSL, b"\1\0\0\0\0" + tlv(SSL_VERSION, b"TLSv1.3"))), CLIENT),
    "v2 checksum": (with_checksum(), CLIENT),
    "v2 of 4096 bytes": (v2(addresses() + tlv(0xee, bytes(4096 - 16 - 12 - 3))), CLIENT),
}

WRONG = {
    "v1 too long": (v1("UNKNOWN " + "x" * (107 - 15)), "too long"),
    "v1 LF": (v1(end=b"\n"), "the line ends without CR"),
    "v1 CR": (v1(end=b"\rx"), "CR without LF"),
    "v1 lower case": (b"proxy TCP4 192.0.2.1 203.0.113.5 50000 443\r\n", "no header"),
    "v1 double space": (v1("TCP4  192.0.2.1 203.0.113.5 50000 443"), "bad address"),
    "v1 tab": (v1("TCP4 192.0.2.1\t203.0.113.5 50000 443"), "bad address"),
    "v1 trailing space": (v1("TCP4 192.0.2.1 203.0.113.5 50000 443 "), "more than six words"),
    "v1 extra word": (v1("TCP4 192.0.2.1 203.0.113.5 50000 443 9"), "more than six words"),
    "v1 missing port": (v1("TCP4 192.0.2.1 203.0.113.5 50000"), "bad port"),
    "v1 NUL": (v1(b"TCP4 192.0.2.1\0 203.0.113.5 50000 443"), "bad address"),
    "v1 ESC": (v1(b"TCP4 192.0.2.1\x1b 203.0.113.5 50000 443"), "bad address"),
    "v1 port 65536": (v1("TCP4 192.0.2.1 203.0.113.5 65536 443"), "bad port"),
    "v1 port 2^32 + 1": (v1("TCP4 192.0.2.1 203.0.113.5 4294967297 443"), "bad port"),
    "v1 port -1": (v1("TCP4 192.0.2.1 203.0.113.5 -1 443"), "bad port"),
    "v1 port +11": (v1("TCP4 192.0.2.1 203.0.113.5 +11 443"), "bad port"),
    "v1 port 0x10": (v1("TCP4 192.0.2.1 203.0.113.5 0x10 443"), "bad port"),
    "v1 port 01111": (v1("TCP4 192.0.2.1 203.0.113.5 01111 443"), "bad port"),
    "v1 256.0.2.1": (v1("TCP4 256.0.2.1 203.0.113.5 50000 443"), "bad address"),
    "v1 192.2.1": (v1("TCP4 192.2.1 203.0.113.5 50000 443"), "bad address"),
    "v1 010.0.0.1": (v1("TCP4 010.0.0.1 203.0.113.5 50000 443"), "bad address"),
    "v1 host name": (v1("TCP4 a.example 203.0.113.5 50000 443"), "bad address"),
    "v1 zone": (v1("TCP6 fe80::1%lo fe80::2 50000 443"), "bad address"),
    "v1 UDP4": (v1("UDP4 192.0.2.1 203.0.113.5 50000 443"), "unknown family"),
    "v1 TCP4 with IPv6": (v1("TCP4 2001:db8::1 2001:db8::2 50000 443"), "bad address"),
    "no header": (b"GET / HTTP/1.1\r\n", "no header"),
    "v2 AF_UNIX": (v2(bytes(216), family=0x31), "unknown family"),
    "v2 short AF_UNIX": (v2(bytes(20), family=0x31), "unknown family"),
    "v2 UDP4": (v2(family=0x12), "unknown family"),
    "v2 family 4": (v2(family=0x41), "unknown family"),
    "v2 protocol 3": (v2(family=0x13), "unknown family"),
    "v2 command 2": (v2(command=2), "unknown command"),
    "v2 version 1": (v2(version=1), "unknown version"),
    "v2 version 3": (v2(version=3), "unknown version"),
    "v2 wrong signature": (v2(signature=SIGNATURE[:-1] + b"\x0b"), "no header"),
    "v2 TCP4 of 0": (v2(b""), "no room for addresses"),
    "v2 TCP4 of 11": (v2(length=11), "no room for addresses"),
    "v2 TCP6 of 35": (v2(addresses(SOURCE6, DESTINATION6), family=TCP6, length=35),
                      "no room for addresses"),
    "v2 of 65535": (v2(length=65535), "too long"),
    "v2 TLV overruns": (v2(addresses() + b"\4\0\2x"), "a TLV leaves the header"),
    "v2 half a TLV": (v2(addresses() + b"\4\0"), "a TLV leaves the header"),
    "v2 stray byte": (v2(addresses() + b"\4"), "a TLV leaves the header"),
    "v2 short SSL": (v2(addresses() + tlv(SSL, b"\1")), "malformed ssl TLV"),
    "v2 SSL overruns": (v2(addresses() + tlv(SSL, b"\1\0\0\0\0\x21\0\1")), "malformed ssl TLV"),
    "v2 authority of 256": (v2(addresses() + tlv(AUTHORITY, b"a" * 256)), "authority too long"),
    "v2 unique_id of 129": (v2(addresses() + tlv(UNIQUE_ID, b"a" * 129)), "unique_id too long"),
    "v2 wrong checksum": (v2(addresses() + tlv(CRC32C, b"abcd")), "wrong checksum"),
    "v2 checksum of 3": (v2(addresses() + tlv(CRC32C, b"abc")), "malformed checksum"),
    "v2 20000 TLVs": (v2(addresses() + tlv(0xee, b"") * 20_000), "too long"),
}

# Signatures of which nothing comes: waited for, never taken for anything else.
TRUNCATED = [RIGHT["v1 TCP4"][0][:cut] for cut in (1, 6, 20, -1)] + [
    RIGHT["v2 TCP4"][0][:cut] for cut in (1, 12, 16, -1)]

Header = namedtuple("Header", "command source destination tlvs")


def read_tlvs(body):
    tlvs = {}
    while body:
        kind, length = struct.unpack("!BH", body[:3])
        assert len(body) >= 3 + length, body
        tlvs[kind], body = body[3:3 + length], body[3 + length:]
    return tlvs


def read_v2(conn):
    """The next bytes of `conn` as a header of version 2, checked."""
    head = conn.read(16)
    assert head[:12] == SIGNATURE, head
    command, family, length = struct.unpack("!BBH", head[12:])
    body = conn.read(length) if length else b""
    size = {UNSPEC: 0, TCP4: 4, TCP6: 16}[family]
    rest = body[2 * size + 4 if size else 0:]
    tlvs = read_tlvs(rest)
    if CRC32C in tlvs:
        at = (head + body).rindex(b"\3\0\4" + tlvs[CRC32C]) + 3
        whole = head + body
        assert struct.unpack("!I", tlvs[CRC32C])[0] == crc32c(whole[:at] + bytes(4) + whole[at + 4:])
    if not size:
        return Header(command, None, None, tlvs)
    ports = struct.unpack("!HH", body[2 * size:2 * size + 4])
    return Header(command, (str(ipaddress.ip_address(body[:size])), ports[0]),
                  (str(ipaddress.ip_address(body[size:2 * size])), ports[1]), tlvs)
