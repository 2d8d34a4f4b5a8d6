/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_bio.h - OpenSSL's view of a conn's socket.
 *
 * A socket BIO that knows the conn. A recv(2) that brought less than was asked for has emptied the
 * socket: the next one is answered "try again" without a system call, until an event tells of more.
 * The first errno of the socket stays with the conn, as it does for plain sockets.
 *
 * Where OpenSSL is told to use the kernel (SSL_OP_ENABLE_KTLS), the BIO hands it the keys for
 * sending, for TLS 1.2 only: a key of TLS 1.3 changes when the peer asks for it (KeyUpdate), and
 * neither OpenSSL 3.0 nor Linux before 6.14 can change one that the kernel has. From then on data
 * is sent by plain send(2); OpenSSL sends its own messages (alerts, close_notify) through a BIO of
 * its own. Reading is OpenSSL's as before.
 */
#ifndef CULVERT_TLS_TLS_BIO_H
#define CULVERT_TLS_TLS_BIO_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/conn.h"

/* Most plaintext that is gathered, and room for the records it becomes under any cipher. */
#define TLS_GATHER_PLAIN_BYTES 65536
#define TLS_GATHER_BYTES (TLS_GATHER_PLAIN_BYTES + 8192)
#define TLS_GATHER_RECORDS 8

/*
 * Records put together, so that they go out in one send(2). A worker has one for all its conns;
 * what the socket does not take is kept by the conn.
 */
struct tls_gather {
    uint32_t sent;
    uint32_t size;
    uint32_t told_records; /* those all of whose bytes were sent */
    uint32_t records;
    struct {
        uint32_t end; /* in `bytes` */
        uint32_t plain_bytes;
    } record[TLS_GATHER_RECORDS];
    unsigned char bytes[TLS_GATHER_BYTES];
};

/* Lives as long as the BIO. */
struct tls_bio {
    struct conn *conn;
    struct tls_gather *gather; /* where writes go; NULL: to the socket */
    struct tls_gather *rest; /* what the socket did not take: cut behind its bytes; NULL: nothing */
    size_t untold_bytes;     /* of plaintext: sent with the rest by the way */
    size_t fruitless_bytes;  /* received since the caller last set it to 0 */
    BIO *kernel;             /* OpenSSL's way to a kernel that has the keys; NULL: it has not */
    bool trusts_short_reads; /* set by the caller when a recheck follows (relay/flow.c) */
    bool at_end;             /* recv(2) returned 0: the peer's FIN, in its place behind the data */
    bool is_blocked; /* the last recv(2) had nothing; cleared by the caller before each look */
};

/* A BIO over the conn's socket, for SSL_set_bio(3). NULL without memory. */
BIO *tls_bio_create(struct tls_bio *tls_bio);

/* Frees what the struct holds. The BIO is not used any more. */
void tls_bio_release(struct tls_bio *tls_bio);

/* From here on writes are gathered. There must be no rest. */
void tls_bio_gather(struct tls_bio *tls_bio, struct tls_gather *gather);

/* The record that holds the next `plain_bytes` was gathered. False: it was the last that may. */
bool tls_bio_note_record(struct tls_bio *tls_bio, size_t plain_bytes);

/*
 * Sends what was gathered, and gathers no more. IO_MOVED when all was sent; IO_BLOCKED when there
 * is a rest, which goes out before anything else; IO_FAILED, also without memory for the rest
 * (ENOMEM). `*plain_bytes` is what the records hold that were sent whole and not told before.
 */
enum io_result tls_bio_flush(struct tls_bio *tls_bio, size_t *plain_bytes);

/* Goes on with the rest, if there is one: answers like tls_bio_flush(). */
enum io_result tls_bio_send_rest(struct tls_bio *tls_bio, size_t *plain_bytes);

#endif
