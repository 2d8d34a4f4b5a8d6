/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_hello.h - reads what a ClientHello asks for, without taking part in the handshake.
 *
 * Works on the raw bytes of the connection as MSG_PEEK shows them: TLS records that carry one
 * handshake message, split at any byte and over any number of records. Every length is checked
 * against the bytes received and against the length that encloses it. The verdict does not depend
 * on how the bytes were cut: of the first bytes of a connection it is PARTIAL, or what it is of all
 * of them. Nothing is allocated, nothing is trusted.
 *
 * What is refused:
 *   - records: empty, longer than 2^14 bytes, of another kind or of a major version other than 3
 *     before the message is complete (RFC 8446, 5.1: handshake messages are not interleaved with
 *     other records, and fragments of them are not empty); the minor version is ignored (Appendix
 *     D), and so is all that comes behind the message
 *   - another message than a ClientHello, lengths that do not fit (RFC 8446, 4.1.2; RFC 5246,
 *     7.4.1.2), no cipher or no compression method, any extension twice, a pre_shared_key that is
 *     not the last (RFC 8446, 4.2, 4.2.11); no extensions at all are right (RFC 5246, 7.4.1.2)
 *   - server_name: an empty list, another type than host_name, a second name (RFC 6066, 3), more
 *     than 255 bytes, or a byte other than visible ASCII, NUL among them
 *   - protocols: an empty list, an empty protocol (RFC 7301, 3.1)
 *
 * What is not: an empty name counts as none, and one trailing dot is dropped, as is the case of
 * letters; an address or an asterisk is a name like any other. Extensions that say nothing of the
 * choice of a server are not looked into: that is up to whoever makes the handshake.
 *
 * OpenSSL 3.0 reads the same names from the same bytes, but for these: it takes names of any bytes
 * but NUL, takes types that it does not know twice, skips empty records before the message,
 * waits for the end of the last record, takes longer messages and SSLv2 hellos, and
 * refuses extensions of DTLS.
 */
#ifndef CULVERT_TLS_CLIENT_HELLO_H
#define CULVERT_TLS_CLIENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest handshake message, and most raw bytes looked at. */
#define CLIENT_HELLO_BYTES 16384
#define CLIENT_HELLO_RAW_BYTES 65536

#define CLIENT_HELLO_NAME_BYTES 256
#define CLIENT_HELLO_ALPN_BYTES 256

enum client_hello_verdict {
    CLIENT_HELLO_WHOLE,
    CLIENT_HELLO_PARTIAL,   /* right so far: more bytes are needed */
    CLIENT_HELLO_NOT_TLS,   /* the first bytes are no TLS handshake record; `detail` says what */
    CLIENT_HELLO_BROKEN,    /* TLS, but not a valid ClientHello; `detail` says why */
    CLIENT_HELLO_TOO_LARGE, /* beyond the limits above */
};

struct client_hello {
    char name[CLIENT_HELLO_NAME_BYTES]; /* SNI host_name in lower case, no trailing dot; "": none;
                                           beside an encrypted hello (ECH) the outer one */
    char alpn[CLIENT_HELLO_ALPN_BYTES]; /* offered protocols as on the wire (RFC 7301); cut between
                                           protocols when longer */
    size_t alpn_size;
    const char *detail; /* of the verdict: a fixed sentence */
};

/* Reads the bytes from the start of the connection. `hello` is filled on CLIENT_HELLO_WHOLE only,
   but for `detail`. */
enum client_hello_verdict client_hello_read(const unsigned char *bytes, size_t size,
                                            struct client_hello *hello);

#endif
