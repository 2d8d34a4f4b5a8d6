/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handshake.c - queueing, timing and counting of TLS handshakes.
 */
#include "relay/handshake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "net/proxy_guard.h"

static struct handshake_counters *counters_of(const struct session *session, enum side side)
{
    struct relay_counters *counters = &session->resources->counters;

    return side == FRONTEND ? &counters->listeners[session->listener->index].handshakes
                            : &counters->pools[session->pool->index].handshakes;
}

static void arm(struct session *session)
{
    if (session->listener->handshake_timeout_ms > 0)
        session_arm(session, session->state_ms + session->listener->handshake_timeout_ms);
}

void handshake_start_clock(struct session *session)
{
    session->state_ms = clock_now_ms();
    arm(session);
}

bool handshake_begin(struct session *session, enum side side, struct tls_profile *profile,
                     const struct tls_target *target)
{
    struct conn *conn = &session->conn[side];
    bool ready_in = conn->ready_in;

    if (!tls_conn_start(conn, tls_profile_context(profile, session->resources->worker), target))
        return false;
    conn->ready_in = ready_in; /* an edge tells of what the socket has: no look without one */
    conn->ready_out = true;    /* a socket that is connected takes bytes */
    session->wants_write = side == BACKEND; /* the client speaks first */
    session->began_us = session_age_us(session);
    handshake_start_clock(session);
    return true;
}

enum step handshake_wait(struct session *session, enum side side)
{
    const struct conn *conn = &session->conn[side];
    struct relay_resources *resources = session->resources;
    bool is_due = session->wants_write ? conn->ready_out : conn->ready_in;

    if (is_due && !list_contains_link(&session->queue)) {
        list_append(&resources->handshakes, &session->queue);
        relay_wake_run_queue(resources);
    }
    return STEP_WAIT;
}

static void count_done(struct session *session, enum side side)
{
    const struct conn *conn = &session->conn[side];
    struct handshake_counters *counters = counters_of(session, side);
    enum session_tls tls =
        strcmp(tls_conn_version(conn), "TLSv1.3") == 0 ? SESSION_TLS_1_3 : SESSION_TLS_1_2;

    if (side == FRONTEND)
        session->client_tls = tls;
    else
        session->server_tls = tls;
    counter_add(&counters->done[tls], 1);
    if (tls_conn_is_resumed(conn))
        counter_add(&counters->resumed, 1);
    latency_observe(&counters->took, (int64_t)session_age_us(session) - session->began_us);
}

enum io_result handshake_turn(struct session *session, enum side side)
{
    struct conn *conn = &session->conn[side];
    enum io_result result = tls_conn_handshake(conn);

    switch (result) {
    case IO_MOVED:
        count_done(session, side);
        break;
    case IO_BLOCKED:
        session->wants_write = !conn->ready_out;
        relay_recheck(session->resources, conn); /* for a reset right behind what was read */
        break;
    case IO_ENDED: /* reads only */
    case IO_FAILED:
        counter_add(&counters_of(session, side)->failed, 1);
        session_keep_tls_error(session, side);
        return IO_FAILED;
    }
    return result;
}

bool handshake_is_overdue(struct session *session)
{
    int64_t timeout_ms = session->listener->handshake_timeout_ms;

    if (timeout_ms == 0)
        return false;
    if (clock_now_ms() < session->state_ms + timeout_ms) {
        arm(session);
        return false;
    }
    return true;
}

void handshake_count_timeout(struct session *session, enum side side)
{
    counter_add(&counters_of(session, side)->timed_out, 1);
}

void session_keep_tls_error(struct session *session, enum side side)
{
    const struct conn *conn = &session->conn[side];

    if (proxy_guard_has_fired(conn))
        session_keep_proxy_error(session, "not from a trusted address");
    if (conn_is_tls(conn) && tls_conn_fault(conn) != TLS_FAULT_NONE)
        session_keep_words(session, tls_conn_fault_text(conn));
}

enum close_reason session_break_reason(const struct session *session, enum side side)
{
    const struct conn *conn = &session->conn[side];

    if (proxy_guard_has_fired(conn))
        return CLOSE_BAD_PROXY_HEADER;
    switch (conn_is_tls(conn) ? tls_conn_fault(conn) : TLS_FAULT_NONE) {
    case TLS_FAULT_NONE:
        break;
    case TLS_FAULT_PROTOCOL:
    case TLS_FAULT_IDENTITY:
        return side == FRONTEND ? CLOSE_CLIENT_TLS : CLOSE_SERVER_TLS;
    case TLS_FAULT_TRUNCATED:
        return CLOSE_TLS_TRUNCATED;
    case TLS_FAULT_MEMORY:
        return CLOSE_NO_RESOURCES;
    }
    return close_reason_from_error(conn->error, side == FRONTEND);
}
