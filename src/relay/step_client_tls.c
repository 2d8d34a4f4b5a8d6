/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_client_tls.c - the TLS handshake with the client, where the route or the listener terminates
 * TLS.
 */
#include <string.h>

#include "relay/handshake.h"
#include "relay/step.h"

/* The profile that terminates this session's TLS; NULL: nobody but the server does. */
static struct tls_profile *profile_of(const struct session *session)
{
    const struct route *route = session->route;

    return route != NULL && route->has_tls ? route->tls : session->listener->tls;
}

enum step step_client_tls_run(struct session *session)
{
    struct tls_profile *profile = profile_of(session);

    if (profile == NULL)
        return STEP_NEXT;
    if (!conn_is_tls(&session->conn[FRONTEND])) {
        session_set_phase(session, PHASE_HANDSHAKE);
        if (!handshake_begin(session, FRONTEND, profile, NULL))
            return session_cut(session, CLOSE_NO_RESOURCES);
    }
    return handshake_wait(session, FRONTEND);
}

/* The name for the record, where CLIENT_HELLO has not read it; worded as it would. */
static bool keep_name(struct session *session)
{
    const char *name;

    if (session_sni(session) != NULL)
        return true;
    name = tls_conn_server_name(&session->conn[FRONTEND]);
    return session_keep_sni(session, name, strlen(name));
}

/* OpenSSL has told the client why, if it could: a plain close lets that arrive. */
static enum step failed(struct session *session)
{
    enum close_reason reason = session_break_reason(session, FRONTEND);

    (void)keep_name(session); /* who was refused is of interest then */
    if (reason != CLOSE_CLIENT_TLS && reason != CLOSE_NO_RESOURCES)
        return session_client_left(session, session->conn[FRONTEND].error);
    session->close_reason = reason;
    session->close_error = (int16_t)session->conn[FRONTEND].error;
    session->first = FIRST_CLIENT;
    conn_close(&session->conn[FRONTEND]);
    return STEP_OVER;
}

enum step step_client_tls_turn(struct session *session)
{
    switch (handshake_turn(session, FRONTEND)) {
    case IO_MOVED:
        session->began_us = session_age_us(session);
        return keep_name(session) ? STEP_NEXT : session_cut(session, CLOSE_NO_RESOURCES);
    case IO_BLOCKED:
        return handshake_wait(session, FRONTEND);
    case IO_ENDED: /* reads only */
    case IO_FAILED:
        break;
    }
    return failed(session);
}

enum step step_client_tls_expire(struct session *session)
{
    if (!handshake_is_overdue(session))
        return STEP_WAIT;
    handshake_count_timeout(session, FRONTEND);
    (void)keep_name(session);
    session->waited_for = FIRST_CLIENT;
    return session_cut(session, CLOSE_CLIENT_TIMEOUT);
}
