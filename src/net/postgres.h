/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postgres.h - how PostgreSQL clients and servers come to speak TLS (starttls = postgres).
 *
 * A client asks with an SSLRequest of 8 bytes, to which one byte is the answer: 'S', and TLS
 * follows, or 'N' (PostgreSQL's manual, "SSL Session Encryption" in the chapter on its protocol).
 * Since PostgreSQL 17 it may begin with TLS at once.
 */
#ifndef CULVERT_NET_POSTGRES_H
#define CULVERT_NET_POSTGRES_H

#include <stddef.h>

#define POSTGRES_REQUEST_BYTES 8

extern const unsigned char postgres_ssl_request[POSTGRES_REQUEST_BYTES];

#define POSTGRES_YES 'S'
#define POSTGRES_NO 'N'

/* What a client's first bytes are. */
enum postgres_opening {
    POSTGRES_PARTIAL,     /* right so far: more bytes are needed */
    POSTGRES_SSL_REQUEST, /* the first POSTGRES_REQUEST_BYTES */
    POSTGRES_GSS_REQUEST, /* the same for GSSAPI encryption */
    POSTGRES_TLS,         /* a TLS record */
    POSTGRES_OTHER,       /* an unencrypted start, or nothing of PostgreSQL */
};

enum postgres_opening postgres_opening_read(const unsigned char *bytes, size_t size);

/* An ErrorResponse that says that TLS is required, as clients show it to their users. */
extern const unsigned char postgres_tls_required[];
extern const size_t postgres_tls_required_size;

#endif
