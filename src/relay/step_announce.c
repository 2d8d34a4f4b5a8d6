/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_announce.c - what the server is told before its TLS or the client's bytes: a PROXY header,
 * then the SSLRequest of PostgreSQL.
 *
 * A client that is relayed undecrypted has had its SSLRequest answered here, so it is asked anew of
 * the server. A server that culvert itself speaks TLS to is asked for it, too.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "net/postgres.h"
#include "tls/tls_conn.h"
#include "relay/handshake.h"
#include "relay/proxy_announcement.h"
#include "relay/step.h"

static bool asks_for_tls(const struct session *session)
{
    if (session->listener->starttls == STARTTLS_OFF)
        return false;
    return session->pool->options.tls != NULL ||
           (session->is_starttls && !conn_is_tls(&session->conn[FRONTEND]));
}

/* Eight bytes into the empty buffer of a socket that has just been connected. */
static enum step ask(struct session *session)
{
    ssize_t count =
        send(session->conn[BACKEND].fd, postgres_ssl_request, POSTGRES_REQUEST_BYTES, MSG_NOSIGNAL);

    if (count != POSTGRES_REQUEST_BYTES)
        return step_connect_server_tls_failed(session, count == -1 ? errno : EPIPE, NULL);
    session->has_announced = true;
    handshake_start_clock(session);
    return STEP_WAIT;
}

/* One byte and no more: what follows belongs to TLS. */
static enum step read_answer(struct session *session)
{
    struct conn *conn = &session->conn[BACKEND];
    char answer = 0;
    size_t moved;

    switch (conn_ops(conn)->read(conn, &answer, 1, &moved)) {
    case IO_MOVED:
        break;
    case IO_BLOCKED:
        return STEP_WAIT;
    case IO_ENDED:
        return step_connect_server_tls_failed(
            session, 0, "the server closed instead of answering the SSLRequest");
    case IO_FAILED:
        return step_connect_server_tls_failed(session, conn->error, NULL);
    }
    if (answer == POSTGRES_YES) {
        if (session->pool->options.tls == NULL)
            step_connect_succeeded(session);
        return STEP_NEXT;
    }
    return step_connect_server_tls_failed(session, 0,
                                          answer == POSTGRES_NO
                                              ? "the server answered the SSLRequest: no TLS"
                                              : "the server did not understand the SSLRequest");
}

/* Nobody takes the bytes behind a header for its end: without all of it there is no relay. */
static enum step header_failed(struct session *session, int error)
{
    if (session->pool->options.tls != NULL)
        return step_connect_server_tls_failed(session, error, NULL);
    return step_connect_announce_failed(session, error);
}

/* The server's socket takes no more now: mostly it takes all of a header at once. */
static enum step wait_to_go_on(struct session *session, size_t sent)
{
    bool is_first = session_announced(session) == 0;

    if (!session_keep_announced(session, sent))
        return header_failed(session, ENOMEM);
    if (is_first)
        handshake_start_clock(session);
    return STEP_WAIT;
}

/* STEP_NEXT: the header is sent. It is written anew for each try, so nobody keeps it. */
static enum step send_header(struct session *session)
{
    struct conn *conn = &session->conn[BACKEND];
    unsigned char bytes[PROXY_SENT_MAX];
    size_t size = proxy_announcement_write(session, bytes, sizeof(bytes));
    size_t sent = session_announced(session);

    if (size == 0) {
        if (errno == ENOMEM)
            return header_failed(session, ENOMEM);
        session_keep_proxy_error(session, "what is to be told does not fit");
        return session_cut(session, CLOSE_BAD_PROXY_HEADER);
    }
    while (sent < size) {
        size_t moved = 0;

        switch (conn_ops(conn)->write(conn, bytes + sent, size - sent, &moved)) {
        case IO_MOVED:
            sent += moved;
            break;
        case IO_BLOCKED:
            return wait_to_go_on(session, sent);
        case IO_ENDED: /* reads only */
        case IO_FAILED:
            /* A server that is gone takes nothing any more; what it has sent may be read. */
            if (session->pool->options.tls == NULL &&
                (conn->error == ECONNRESET || conn->error == EPIPE))
                return STEP_NEXT;
            return header_failed(session, conn->error);
        }
    }
    return STEP_NEXT;
}

enum step step_announce_run(struct session *session)
{
    if (session->pool->options.send_proxy != SEND_PROXY_OFF && !session->has_told_proxy) {
        enum step step = send_header(session);

        if (step == STEP_WAIT && session->active_side == FRONTEND)
            relay_recheck(session->resources, &session->conn[FRONTEND]);
        if (step != STEP_NEXT)
            return step;
        session->has_told_proxy = true;
    }
    if (!session->has_announced) {
        if (asks_for_tls(session))
            return ask(session);
        if (session->pool->options.tls == NULL)
            step_connect_succeeded(session);
        return STEP_NEXT;
    }
    if (session->active_side == FRONTEND) {
        relay_recheck(session->resources, &session->conn[FRONTEND]);
        return STEP_WAIT;
    }
    return read_answer(session);
}

enum step step_announce_expire(struct session *session)
{
    if (session->has_announced)
        return step_server_tls_expire(session);
    if (!handshake_is_overdue(session))
        return STEP_WAIT;
    session->waited_for = FIRST_SERVER;
    return header_failed(session, ETIMEDOUT);
}
