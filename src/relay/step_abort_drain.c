/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_abort_drain.c - a conn was reset: deliver what came before, then reset the other one.
 *
 * X is the conn that failed, Y the other. A reset discards what Y's peer has not received yet, so Y
 * is reset only when its send queue is empty, or when nothing has moved for two seconds.
 */
#include <errno.h>

#include "core/clock.h"
#include "core/fault.h"
#include "net/socket.h"
#include "relay/handshake.h"
#include "relay/pace.h"
#include "relay/step.h"

/* Without progress for this long, Y is reset with bytes undelivered. */
#define DRAIN_MS 2000

/* When to look at Y's send queue, in milliseconds after the last look. */
static const int look_ms[] = {5, 15, 30, 50, 100};

/* The errno of a conn that was seen broken but not read to its error yet. */
static void learn_error(struct conn *conn)
{
    char byte;
    size_t moved;

    if (conn->error == 0 && conn_ops(conn)->read(conn, &byte, 1, &moved) != IO_FAILED)
        conn_fail(conn, ECONNRESET);
}

void step_abort_drain_enter(struct session *session)
{
    enum side x = session->broken_side;
    struct conn *broken = &session->conn[x];
    struct flow *to_broken = &session->flow[other_side(x)];

    session_set_phase(session, PHASE_ABORTING);
    if (session->first == FIRST_NOBODY)
        session->first = x == FRONTEND ? FIRST_CLIENT : FIRST_SERVER;
    session->undelivered += (uint32_t)flow_held(to_broken);
    flow_break(to_broken, session->resources, FLOW_BROKEN_BY_DESTINATION);
    /* A rate slows a sender down, and this one has gone: what is left fits into a socket. */
    pace_stop(session, x);
    /* The kernel still holds what preceded the reset: read until it tells. */
    broken->ready_in = true;
    broken->hup_in = true;
    session->state_ms = clock_now_ms();
    session->looks = 0;
}

/* Nothing more is read of X: the reason is known now. */
static void close_broken(struct session *session)
{
    enum side x = session->broken_side;
    struct conn *broken = &session->conn[x];

    if (broken->fd == -1)
        return;
    learn_error(broken);
    session->close_error = (int16_t)broken->error;
    session->close_reason = session_break_reason(session, x);
    session_keep_tls_error(session, x);
    /* Towards who cut its own stream nothing may look complete; an alert may still arrive. */
    if (session->close_reason == CLOSE_TLS_TRUNCATED)
        conn_reset(broken);
    else
        conn_close(broken);
}

static enum step finish(struct session *session)
{
    enum side x = session->broken_side;
    enum side y = other_side(x);
    struct conn *other = &session->conn[y];
    uint64_t undelivered = session_undelivered_to(session, y);

    close_broken(session);
    session->undelivered += (uint32_t)undelivered;
    if (x == BACKEND && session->flow[x].state == FLOW_ENDED && undelivered == 0)
        session->close_reason = CLOSE_DONE; /* it answered early and closed; all has arrived */
    /* After both ends nothing is left that a reset could tell. */
    if (session->listener->reset_as_fin || fault_is(FAULT_RST_TO_FIN) ||
        (session->flow[UPLOAD].state == FLOW_ENDED && session->flow[DOWNLOAD].state == FLOW_ENDED))
        conn_close(other);
    else
        conn_reset(other);
    return STEP_OVER;
}

/* Something is left to deliver: looks again soon. True when the drain has lasted too long. */
static bool is_overdue(struct session *session, int64_t now_ms)
{
    size_t look =
        session->looks < ARRAY_LENGTH(look_ms) ? session->looks : ARRAY_LENGTH(look_ms) - 1;

    if (now_ms >= session->state_ms + DRAIN_MS)
        return true;
    if (session->looks < ARRAY_LENGTH(look_ms))
        session->looks++;
    session_arm(session, now_ms + look_ms[look]);
    return false;
}

enum step step_abort_drain_run(struct session *session)
{
    enum side x = session->broken_side;
    struct conn *other = &session->conn[other_side(x)];
    struct flow *flow = &session->flow[x];
    int64_t now_ms = clock_now_ms();
    uint64_t delivered = flow->delivered;
    enum flow_wait wait;
    int queued;

    session_spill(session, x, now_ms);
    wait = session_pump(session, x, now_ms);
    if (flow->delivered != delivered)
        session->state_ms = now_ms;
    if (flow->state == FLOW_BROKEN && flow->culprit != FLOW_BROKEN_BY_SOURCE)
        return finish(session); /* Y is gone as well, or memory is */
    session_queue(session, wait);
    if (wait == FLOW_WAITS_FOR_TURN)
        return STEP_WAIT;
    if (wait == FLOW_WAITS_FOR_BUFFER)
        return is_overdue(session, now_ms) ? finish(session) : STEP_WAIT;
    if (wait == FLOW_WAITS_FOR_SOURCE || flow->state != FLOW_OPEN) {
        close_broken(session);
        if (flow->state == FLOW_OPEN)
            flow_break(flow, session->resources, FLOW_BROKEN_BY_SOURCE);
    }
    queued = socket_unacknowledged(other->fd);
    if (flow_held(flow) == 0 && flow->state != FLOW_OPEN && flow->state != FLOW_ENDING &&
        (queued == 0 || !other->is_tcp || conn_peek_error(other)))
        return finish(session);
    /* A slow reader moves long before the kernel has room for a write of ours. */
    if (queued < flow->stalled_bytes || session->looks == 0)
        session->state_ms = now_ms;
    flow->stalled_bytes = queued;
    return is_overdue(session, now_ms) ? finish(session) : STEP_WAIT;
}
