/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_bio.c - reads and writes of OpenSSL as recv(2) and send(2) on a conn's socket.
 */
#include "tls/tls_bio.h"

#include <assert.h>
#include <errno.h>
#include <linux/tls.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* BIO_CTRL_SET_KTLS_SEND, which <openssl/bio.h> names in a comment only. */
#define CTRL_SET_KTLS 72

static BIO_METHOD *method;

static int read_socket(BIO *bio, char *bytes, size_t size, size_t *count)
{
    struct tls_bio *tls_bio = BIO_get_data(bio);
    struct conn *conn = tls_bio->conn;
    ssize_t received = -1;

    BIO_clear_retry_flags(bio);
    *count = 0;
    errno = EAGAIN;
    /* Behind the announcement of an end, or an urgent mark, a short read has not emptied it. */
    if (!conn->is_drained || conn->hup_in || conn->urgent) {
        do {
            received = recv(conn->fd, bytes, size, 0);
        } while (received == -1 && errno == EINTR);
    }
    if (received > 0) {
        conn->is_drained = tls_bio->trusts_short_reads && (size_t)received < size;
        tls_bio->fruitless_bytes += (size_t)received;
        *count = (size_t)received;
        return 1;
    }
    if (received == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        conn->is_drained = true;
        tls_bio->is_blocked = true;
        BIO_set_retry_read(bio);
        return -1;
    }
    if (received == -1) {
        conn_fail(conn, errno);
        return -1;
    }
    if (conn->error != 0 && conn->error != EPIPE) /* see conn_end() */
        return -1;
    tls_bio->at_end = true;
    return 0;
}

/* send(2) of as much as the socket takes: IO_MOVED, IO_BLOCKED, IO_FAILED. */
static enum io_result send_some(struct conn *conn, const void *bytes, size_t size, size_t *count)
{
    ssize_t sent;

    do {
        sent = send(conn->fd, bytes, size, MSG_NOSIGNAL);
    } while (sent == -1 && errno == EINTR);
    if (sent >= 0) {
        *count = (size_t)sent;
        return IO_MOVED;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return IO_BLOCKED;
    conn_fail(conn, errno);
    return IO_FAILED;
}

/* A short send(2) has filled the socket, which tells when it has room again. */
static enum io_result send_gathered(struct conn *conn, struct tls_gather *gather,
                                    size_t *plain_bytes)
{
    size_t count = 0;
    enum io_result result =
        send_some(conn, gather->bytes + gather->sent, gather->size - gather->sent, &count);

    *plain_bytes = 0;
    gather->sent += (uint32_t)count;
    for (; gather->told_records < gather->records &&
           gather->record[gather->told_records].end <= gather->sent;
         gather->told_records++)
        *plain_bytes += gather->record[gather->told_records].plain_bytes;
    if (result == IO_MOVED && gather->sent < gather->size)
        return IO_BLOCKED;
    return result;
}

/* A message of OpenSSL's own, sealed by the kernel. */
static int write_by_kernel(struct tls_bio *tls_bio, BIO *bio, const char *bytes, size_t size,
                           size_t *count)
{
    int result;

    do {
        errno = 0;
        result = BIO_write_ex(tls_bio->kernel, bytes, size, count);
    } while (result != 1 && errno == EINTR);
    if (result == 1)
        return 1;
    if (BIO_should_retry(tls_bio->kernel))
        BIO_set_retry_write(bio);
    else
        conn_fail(tls_bio->conn, errno != 0 ? errno : EIO);
    return -1;
}

static int write_socket(BIO *bio, const char *bytes, size_t size, size_t *count)
{
    struct tls_bio *tls_bio = BIO_get_data(bio);
    struct tls_gather *gather = tls_bio->gather;
    enum io_result result = IO_MOVED;

    BIO_clear_retry_flags(bio);
    *count = 0;
    if (tls_bio->kernel != NULL)
        return write_by_kernel(tls_bio, bio, bytes, size, count);
    if (gather != NULL) {
        if (size > sizeof(gather->bytes) - gather->size)
            return -1; /* no cipher makes that much of what is gathered at once */
        memcpy(gather->bytes + gather->size, bytes, size);
        gather->size += (uint32_t)size;
        *count = size;
        return 1;
    }
    if (tls_bio->rest != NULL) {
        /* An answer to the peer (an alert) must not overtake it. */
        size_t plain_bytes;

        result = tls_bio_send_rest(tls_bio, &plain_bytes);
        tls_bio->untold_bytes += plain_bytes;
    }
    if (result == IO_MOVED)
        result = send_some(tls_bio->conn, bytes, size, count);
    if (result == IO_MOVED)
        return 1;
    if (result == IO_BLOCKED)
        BIO_set_retry_write(bio);
    return -1;
}

/* Gives the kernel the keys that OpenSSL is about to use: 1, or 0 when they stay with OpenSSL. */
static long hand_over(struct tls_bio *tls_bio, void *keys)
{
    struct tls_crypto_info info;
    BIO *kernel;

    memcpy(&info, keys, sizeof(info)); /* every kind of keys begins with it */
    if (info.version != TLS_1_2_VERSION || tls_bio->kernel != NULL)
        return 0;
    kernel = BIO_new_socket(tls_bio->conn->fd, BIO_NOCLOSE); /* and asks for the kernel's TLS */
    if (kernel != NULL && BIO_ctrl(kernel, CTRL_SET_KTLS, 1, keys) <= 0) {
        BIO_free(kernel);
        kernel = NULL;
    }
    tls_bio->kernel = kernel;
    return kernel != NULL;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    struct tls_bio *tls_bio = BIO_get_data(bio);

    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return tls_bio->at_end;
    case CTRL_SET_KTLS:
        return number != 0 ? hand_over(tls_bio, pointer) : 0; /* 0: the keys for receiving */
    default:
        /* Whether the kernel seals, and of which type the next record is. */
        return tls_bio->kernel != NULL ? BIO_ctrl(tls_bio->kernel, command, number, pointer) : 0;
    }
}

static int create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "culvert socket");

    if (made == NULL)
        return;
    if (BIO_meth_set_read_ex(made, read_socket) != 1 ||
        BIO_meth_set_write_ex(made, write_socket) != 1 || BIO_meth_set_ctrl(made, control) != 1 ||
        BIO_meth_set_create(made, create) != 1) {
        BIO_meth_free(made);
        return;
    }
    method = made;
}

BIO *tls_bio_create(struct tls_bio *tls_bio)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BIO *bio;

    pthread_once(&once, make_method);
    if (method == NULL)
        return NULL;
    bio = BIO_new(method);
    if (bio != NULL)
        BIO_set_data(bio, tls_bio);
    return bio;
}

static void drop_rest(struct tls_bio *tls_bio)
{
    free(tls_bio->rest);
    tls_bio->rest = NULL;
}

void tls_bio_release(struct tls_bio *tls_bio)
{
    drop_rest(tls_bio);
    BIO_free(tls_bio->kernel);
    tls_bio->kernel = NULL;
}

void tls_bio_gather(struct tls_bio *tls_bio, struct tls_gather *gather)
{
    assert(tls_bio->rest == NULL);
    memset(gather, 0, offsetof(struct tls_gather, bytes));
    tls_bio->gather = gather;
}

bool tls_bio_note_record(struct tls_bio *tls_bio, size_t plain_bytes)
{
    struct tls_gather *gather = tls_bio->gather;

    gather->record[gather->records].end = gather->size;
    gather->record[gather->records].plain_bytes = (uint32_t)plain_bytes;
    gather->records++;
    return gather->records < TLS_GATHER_RECORDS;
}

enum io_result tls_bio_flush(struct tls_bio *tls_bio, size_t *plain_bytes)
{
    struct tls_gather *gather = tls_bio->gather;
    size_t kept = offsetof(struct tls_gather, bytes) + gather->size;
    enum io_result result = IO_MOVED;

    tls_bio->gather = NULL;
    *plain_bytes = 0;
    if (gather->size > 0)
        result = send_gathered(tls_bio->conn, gather, plain_bytes);
    if (result != IO_BLOCKED)
        return result;
    tls_bio->rest = malloc(kept);
    if (tls_bio->rest == NULL) {
        conn_fail(tls_bio->conn, ENOMEM);
        return IO_FAILED;
    }
    memcpy(tls_bio->rest, gather, kept);
    return IO_BLOCKED;
}

enum io_result tls_bio_send_rest(struct tls_bio *tls_bio, size_t *plain_bytes)
{
    enum io_result result = IO_MOVED;

    *plain_bytes = 0;
    if (tls_bio->rest != NULL)
        result = send_gathered(tls_bio->conn, tls_bio->rest, plain_bytes);
    if (result == IO_MOVED)
        drop_rest(tls_bio);
    *plain_bytes += tls_bio->untold_bytes;
    tls_bio->untold_bytes = 0;
    return result;
}
