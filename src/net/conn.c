/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.c - plain sockets behind conn_ops, and the life of a conn.
 */
#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"

static bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

static enum io_result plain_read(struct conn *conn, void *bytes, size_t size, size_t *moved)
{
    while (true) {
        ssize_t count = recv(conn->fd, bytes, size, 0);

        if (count > 0) {
            *moved = (size_t)count;
            conn->moved_in = true;
            return IO_MOVED;
        }
        if (count == 0)
            return conn_end(conn);
        if (errno == EINTR)
            continue;
        if (would_block(errno)) {
            conn->ready_in = false;
            return IO_BLOCKED;
        }
        conn_fail(conn, errno);
        return IO_FAILED;
    }
}

static enum io_result plain_write(struct conn *conn, const void *bytes, size_t size, size_t *moved)
{
    while (true) {
        ssize_t count = send(conn->fd, bytes, size, MSG_NOSIGNAL);

        if (count >= 0) {
            *moved = (size_t)count;
            return IO_MOVED;
        }
        if (errno == EINTR)
            continue;
        if (would_block(errno)) {
            conn->ready_out = false;
            return IO_BLOCKED;
        }
        conn_fail(conn, errno);
        return IO_FAILED;
    }
}

static enum io_result plain_shutdown_write(struct conn *conn)
{
    if (shutdown(conn->fd, SHUT_WR) == -1) {
        /* ENOTCONN: a reset is here already. Only a read tells whether an end had come before it,
           so nothing is remembered that would decide that. */
        if (errno != ENOTCONN)
            conn_fail(conn, errno);
        return IO_FAILED;
    }
    conn->fin_out = true;
    return IO_MOVED;
}

const struct conn_ops conn_plain_ops = {
    .read = plain_read,
    .write = plain_write,
    .shutdown_write = plain_shutdown_write,
    .may_splice = true,
    .close_ends = true,
    .short_read_empties = true,
};

void conn_init(struct conn *conn)
{
    memset(conn, 0, sizeof(*conn));
    conn->fd = -1;
}

void conn_open(struct conn *conn, int fd, bool is_tcp)
{
    assert(conn->fd == -1 && fd >= 0);
    /* Nothing that was known of an earlier socket holds for this one. */
    conn_init(conn);
    conn->fd = fd;
    conn->is_tcp = is_tcp;
}

bool conn_watch(struct conn *conn, struct event_base *base, event_callback_fn callback,
                void *argument)
{
    /* Without EV_CLOSED an end that arrives together with data is never reported. */
    const short what = EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST;

    assert(!conn->is_watched);
    if (event_assign(&conn->event, base, conn->fd, what, callback, argument) == -1 ||
        event_add(&conn->event, NULL) == -1)
        return false;
    conn->is_watched = true;
    return true;
}

static void conn_unwatch(struct conn *conn)
{
    if (conn->is_watched)
        event_del(&conn->event);
    conn->is_watched = false;
    list_remove(&conn->recheck);
}

static void release(struct conn *conn, bool is_reset)
{
    if (conn->method != NULL && conn->method->ops->release != NULL)
        conn->method->ops->release(conn, is_reset);
    conn->method = NULL;
}

void conn_note_event(struct conn *conn, short what)
{
    if ((what & (EV_READ | EV_CLOSED)) != 0) {
        conn_look_again(conn);
        if (conn->write_wants_read)
            conn->ready_out = true;
    }
    if ((what & EV_WRITE) != 0) {
        conn->ready_out = true;
        if (conn->read_wants_write)
            conn->ready_in = true;
    }
    if ((what & EV_CLOSED) != 0)
        conn->hup_in = true;
    conn->was_active = true;
}

void conn_look_again(struct conn *conn)
{
    conn->ready_in = true;
    conn->moved_in = false;
    conn->is_drained = false;
}

void conn_close(struct conn *conn)
{
    if (conn->fd == -1)
        return;
    conn_unwatch(conn);
    release(conn, false);
    close(conn->fd);
    conn->fd = -1;
    conn->ready_in = false;
    conn->ready_out = false;
}

void conn_reset(struct conn *conn)
{
    if (conn->fd == -1)
        return;
    if (!conn->is_tcp) {
        conn_close(conn);
        return;
    }
    conn_unwatch(conn);
    release(conn, true);
    socket_reset_close(conn->fd);
    conn->fd = -1;
    conn->ready_in = false;
    conn->ready_out = false;
}

void conn_fail(struct conn *conn, int error)
{
    if (conn->error == 0)
        conn->error = (int16_t)error;
}

enum io_result conn_end(struct conn *conn)
{
    /*
     * A write that met the reset has eaten the errno that this read would have returned; then the
     * sticky errno knows. EPIPE says that an in-order FIN had come first: the stream is complete.
     */
    if (conn->error != 0 && conn->error != EPIPE)
        return IO_FAILED;
    conn->eof = true;
    return IO_ENDED;
}

void conn_look_for_mark(struct conn *conn)
{
    if (conn->is_tcp && sockatmark(conn->fd) == 1)
        conn->urgent = true;
}

bool conn_peek_error(struct conn *conn)
{
    struct pollfd look = {.fd = conn->fd, .events = POLLRDHUP | POLLPRI};
    bool has_failed = conn->error != 0; /* the call that met it has eaten what poll would tell */

    if (poll(&look, 1, 0) != 1)
        return has_failed;
    if ((look.revents & (POLLRDHUP | POLLHUP)) != 0)
        conn->hup_in = true;
    return has_failed || (look.revents & (POLLERR | POLLNVAL)) != 0;
}
