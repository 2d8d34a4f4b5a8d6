/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_bio.c - reads and writes of OpenSSL as recv(2) and send(2) on a conn's socket.
 */
#include "tls/tls_bio.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>

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

static int write_socket(BIO *bio, const char *bytes, size_t size, size_t *count)
{
    struct tls_bio *tls_bio = BIO_get_data(bio);
    struct conn *conn = tls_bio->conn;
    ssize_t sent;

    BIO_clear_retry_flags(bio);
    *count = 0;
    do {
        sent = send(conn->fd, bytes, size, MSG_NOSIGNAL);
    } while (sent == -1 && errno == EINTR);
    if (sent >= 0) {
        *count = (size_t)sent;
        return 1;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        BIO_set_retry_write(bio);
    else
        conn_fail(conn, errno);
    return -1;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    const struct tls_bio *tls_bio = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return tls_bio->at_end;
    default:
        return 0;
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
