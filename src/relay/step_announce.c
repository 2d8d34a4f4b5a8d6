/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_announce.c - what the server is told before its TLS or the client's bytes: the SSLRequest of
 * PostgreSQL.
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

enum step step_announce_run(struct session *session)
{
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
