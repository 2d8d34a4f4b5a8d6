/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postgres.c - the few messages that come before TLS.
 */
#include "net/postgres.h"

#include <string.h>

/* The length with itself, then a code that is no version of the protocol: 80877103. */
const unsigned char postgres_ssl_request[POSTGRES_REQUEST_BYTES] = {0, 0, 0, 8, 4, 210, 22, 47};

/* 80877104. */
static const unsigned char gss_request[POSTGRES_REQUEST_BYTES] = {0, 0, 0, 8, 4, 210, 22, 48};

/* The type of a TLS record that carries a handshake (RFC 8446, 5.1). */
#define TLS_HANDSHAKE 22

/* Fields of the message: severity, the same untranslated, SQLSTATE
   (invalid_authorization_specification), text. */
#define REFUSAL                                                                                    \
    "SFATAL\0"                                                                                     \
    "VFATAL\0"                                                                                     \
    "C28000\0"                                                                                     \
    "MTLS is required here: connect with sslmode=require\0"

const unsigned char postgres_tls_required[] = "E\0\0\0" /* the length: all but the type's byte */
                                              "\x4e" REFUSAL;
const size_t postgres_tls_required_size = sizeof(postgres_tls_required);

_Static_assert(sizeof(postgres_tls_required) - 1 == 0x4e, "the length says how long it is");

enum postgres_opening postgres_opening_read(const unsigned char *bytes, size_t size)
{
    size_t known = size < POSTGRES_REQUEST_BYTES ? size : POSTGRES_REQUEST_BYTES;

    if (size == 0)
        return POSTGRES_PARTIAL;
    if (bytes[0] == TLS_HANDSHAKE)
        return POSTGRES_TLS;
    if (memcmp(bytes, postgres_ssl_request, known) == 0)
        return known < POSTGRES_REQUEST_BYTES ? POSTGRES_PARTIAL : POSTGRES_SSL_REQUEST;
    if (memcmp(bytes, gss_request, known) == 0)
        return POSTGRES_GSS_REQUEST; /* whole: one that is not begins as the other one does */
    return POSTGRES_OTHER;
}
