/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_server_tls.c - the TLS handshake with the server, where the pool asks for it.
 *
 * Another server is not tried when it fails: this one has been reached, and what it says of itself
 * is for the operator to hear.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "relay/handshake.h"
#include "relay/step.h"

/* The name that the server must prove to have. Where clients choose the server it is the one that
   the client asks for, else the address it dialled, unless the configuration says. */
static const char *name_of_server(const struct session *session, char buffer[INET6_ADDRSTRLEN])
{
    const struct addr *destination;

    if (session->server->tls_name != NULL || !session->server->is_original)
        return session->server->tls_name;
    if (session_sni(session) != NULL)
        return session_sni(session);
    destination = &session->words->destination;
    return inet_ntop(destination->family, &destination->v6, buffer, INET6_ADDRSTRLEN);
}

static bool begin(struct session *session)
{
    char buffer[INET6_ADDRSTRLEN];
    const struct tls_target target = {
        .server_name = name_of_server(session, buffer),
        .session_key = session->server->serial,
    };

    return handshake_begin(session, BACKEND, session->pool->options.tls, &target);
}

enum step step_server_tls_run(struct session *session)
{
    if (session->pool->options.tls == NULL)
        return STEP_NEXT;
    if (!conn_is_tls(&session->conn[BACKEND])) {
        if (!begin(session))
            return session_cut(session, CLOSE_NO_RESOURCES);
    } else if (session->active_side == FRONTEND) {
        /* As while connecting: the tick looks whether the client has left. */
        relay_recheck(session->resources, &session->conn[FRONTEND]);
        return STEP_WAIT;
    }
    return handshake_wait(session, BACKEND);
}

enum step step_server_tls_turn(struct session *session)
{
    switch (handshake_turn(session, BACKEND)) {
    case IO_MOVED:
        step_connect_succeeded(session);
        return STEP_NEXT;
    case IO_BLOCKED:
        return handshake_wait(session, BACKEND);
    case IO_ENDED: /* reads only */
    case IO_FAILED:
        break;
    }
    if (session_break_reason(session, BACKEND) == CLOSE_NO_RESOURCES)
        return session_cut(session, CLOSE_NO_RESOURCES); /* the server is not to blame */
    return step_connect_server_tls_failed(session, session->conn[BACKEND].error, NULL);
}

enum step step_server_tls_expire(struct session *session)
{
    bool is_handshake = session->state == SESSION_SERVER_TLS;

    if (!handshake_is_overdue(session))
        return STEP_WAIT;
    if (is_handshake)
        handshake_count_timeout(session, BACKEND);
    session->waited_for = FIRST_SERVER;
    return step_connect_server_tls_failed(
        session, ETIMEDOUT,
        is_handshake ? "the handshake was not complete within handshake_timeout"
                     : "no answer to the SSLRequest within handshake_timeout");
}
