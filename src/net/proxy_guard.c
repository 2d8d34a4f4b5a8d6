/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_guard.c - reading nothing until it is known not to be a PROXY header.
 */
#include "net/proxy_guard.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "net/proxy_header.h"

static struct conn_method watching = {.ops = &proxy_guard_ops};
static struct conn_method fired = {.ops = &proxy_guard_ops};

static enum io_result read_plain(struct conn *conn, void *bytes, size_t size, size_t *moved)
{
    conn->method = NULL;
    return conn_plain_ops.read(conn, bytes, size, moved);
}

/* A signature that can become whole no more is none. */
static bool may_go_on(struct conn *conn)
{
    return !conn->hup_in && !conn_peek_error(conn) && !conn->hup_in;
}

static enum io_result guarded_read(struct conn *conn, void *bytes, size_t size, size_t *moved)
{
    unsigned char first[PROXY_SIGNATURE_MAX];
    ssize_t count;

    if (proxy_guard_has_fired(conn))
        return IO_FAILED;
    do
        count = recv(conn->fd, first, sizeof(first), MSG_PEEK);
    while (count == -1 && errno == EINTR);
    if (count == 0)
        return conn_end(conn);
    if (count == -1 && errno == EAGAIN) {
        conn->ready_in = false;
        return IO_BLOCKED;
    }
    if (count == -1) {
        conn_fail(conn, errno); /* the look has eaten it: no read would meet it again */
        return IO_FAILED;
    }
    switch (proxy_signature_read(first, (size_t)count)) {
    case PROXY_PARTIAL:
        if (!may_go_on(conn))
            break;
        conn->ready_in = false; /* each further segment has an edge of its own */
        return IO_BLOCKED;
    case PROXY_WHOLE:
        conn->method = &fired;
        conn_fail(conn, EPROTO);
        return IO_FAILED;
    case PROXY_ABSENT:
    case PROXY_INVALID: /* of headers only */
        break;
    }
    return read_plain(conn, bytes, size, moved);
}

static enum io_result plain_write(struct conn *conn, const void *bytes, size_t size, size_t *moved)
{
    return conn_plain_ops.write(conn, bytes, size, moved);
}

static enum io_result plain_shutdown_write(struct conn *conn)
{
    return conn_plain_ops.shutdown_write(conn);
}

/* A flow begins with copying reads, so the guard has stepped aside before the first splice(2). */
const struct conn_ops proxy_guard_ops = {
    .read = guarded_read,
    .write = plain_write,
    .shutdown_write = plain_shutdown_write,
    .may_splice = true,
    .close_ends = true,
    .short_read_empties = true,
};

void proxy_guard_start(struct conn *conn)
{
    assert(conn->method == NULL && conn->fd != -1);
    conn->method = &watching;
}

bool proxy_guard_has_fired(const struct conn *conn)
{
    return conn->method == &fired;
}
