/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_bio.h - OpenSSL's view of a conn's socket.
 *
 * A socket BIO that knows the conn. A recv(2) that brought less than was asked for has emptied the
 * socket: the next one is answered "try again" without a system call, until an event tells of more.
 * The first errno of the socket stays with the conn, as it does for plain sockets.
 */
#ifndef CULVERT_TLS_TLS_BIO_H
#define CULVERT_TLS_TLS_BIO_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

#include "net/conn.h"

/* Lives as long as the BIO. */
struct tls_bio {
    struct conn *conn;
    size_t fruitless_bytes;  /* received since the caller last set it to 0 */
    bool trusts_short_reads; /* set by the caller when a recheck follows (relay/flow.c) */
    bool at_end;             /* recv(2) returned 0: the peer's FIN, in its place behind the data */
    bool is_blocked; /* the last recv(2) had nothing; cleared by the caller before each look */
};

/* A BIO over the conn's socket, for SSL_set_bio(3). NULL without memory. */
BIO *tls_bio_create(struct tls_bio *tls_bio);

#endif
