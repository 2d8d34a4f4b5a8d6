/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_hello.h - reads what a ClientHello asks for, without taking part in the handshake.
 *
 * Works on the raw bytes of the connection as MSG_PEEK shows them: TLS records (RFC 8446, 5.1) that
 * carry one handshake message, split at any byte and over any number of records. Every length is
 * checked against the bytes received and against the length that encloses it. The verdict does not
 * depend on how the bytes were cut. Nothing is allocated, nothing is trusted.
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
    char name[CLIENT_HELLO_NAME_BYTES]; /* SNI host_name in lower case, no trailing dot; "": none */
    char alpn[CLIENT_HELLO_ALPN_BYTES]; /* offered protocols as on the wire (RFC 7301); cut between
                                           protocols when longer */
    size_t alpn_size;
    bool has_ech;       /* an encrypted hello: `name` is that of the outer one */
    const char *detail; /* of the verdict: a fixed sentence */
};

/* Reads the bytes from the start of the connection. `hello` is filled on CLIENT_HELLO_WHOLE only,
   but for `detail`. */
enum client_hello_verdict client_hello_read(const unsigned char *bytes, size_t size,
                                            struct client_hello *hello);

#endif
