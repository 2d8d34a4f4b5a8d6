/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preread.c - peeking, waiting for more, and the time that both have.
 */
#include "relay/preread.h"

#include <errno.h>
#include <sys/socket.h>

#include "core/clock.h"

static int64_t deadline_of(const struct session *session)
{
    return session->accepted_us / 1000 + session->listener->preread_timeout_ms;
}

enum step preread_look(struct session *session, size_t size, size_t *count)
{
    struct conn *conn = &session->conn[FRONTEND];
    ssize_t found;

    if (session->listener->preread_timeout_ms > 0)
        session_arm(session, deadline_of(session));
    do
        found = recv(conn->fd, session->resources->scratch, size, MSG_PEEK);
    while (found == -1 && errno == EINTR);

    if (found == 0)
        return session_client_left(session, 0);
    if (found == -1 && errno != EAGAIN)
        return session_client_left(session, errno);
    if (found == -1)
        return conn->hup_in ? session_client_left(session, 0) : STEP_WAIT;
    *count = (size_t)found;
    return STEP_NEXT;
}

enum step preread_wait(struct session *session)
{
    struct conn *conn = &session->conn[FRONTEND];

    /* Bytes that lie there hide an error from the next look. */
    if (conn_peek_error(conn))
        return session_client_left(session, ECONNRESET);
    if (conn->hup_in)
        return session_client_left(session, 0);
    return STEP_WAIT;
}

enum step preread_expire(struct session *session)
{
    if (clock_now_ms() < deadline_of(session)) {
        session_arm(session, deadline_of(session));
        return STEP_WAIT;
    }
    session->waited_for = FIRST_CLIENT;
    return session_cut(session, CLOSE_CLIENT_TIMEOUT);
}
