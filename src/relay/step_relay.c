/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_relay.c - both flows run, and the clocks that watch them.
 *
 * Every clock is worked out when the one timer of the session fires; a byte costs one store. Only
 * a change of shape (a flow stalls, recovers or ends) can bring a deadline forward, so only then is
 * the timer looked at outside its own callback.
 */
#include <errno.h>

#include "core/clock.h"
#include "core/fault.h"
#include "net/socket.h"
#include "tls/tls_conn.h"
#include "relay/pace.h"
#include "relay/step.h"

/* Bits of session->shape, shifted by the direction. */
enum { SHAPE_STALLED = 1, SHAPE_ENDED = 4 };

/* A session that has relayed for this long gets the socket options of one that lasts. */
#define GUARD_AFTER_MS 5000

/* The earliest of the deadlines, and which one it is. */
struct clock_choice {
    int64_t deadline_ms;
    enum close_reason reason;
    enum first waited_for;
    enum direction direction; /* stall, half-close: the flow that is waited for */
};

static enum first first_of(enum side side)
{
    return side == FRONTEND ? FIRST_CLIENT : FIRST_SERVER;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void consider(struct clock_choice *choice, int64_t since_ms, int64_t timeout_ms,
                     enum close_reason reason, enum first waited_for, enum direction direction)
{
    if (timeout_ms <= 0 || since_ms + timeout_ms >= choice->deadline_ms)
        return;
    choice->deadline_ms = since_ms + timeout_ms;
    choice->reason = reason;
    choice->waited_for = waited_for;
    choice->direction = direction;
}

static bool flow_is_over(const struct flow *flow)
{
    return flow->state == FLOW_ENDED;
}

/* max_lifetime of this session, 0 = none. Its share of the jitter follows from its id, so that
   sessions which began together do not end together. */
static int64_t lifetime_of(const struct session *session)
{
    int64_t lifetime_ms = session->listener->max_lifetime_ms;
    int64_t spread = lifetime_ms * session->listener->lifetime_jitter_percent / 100;
    uint64_t hash = session->id * UINT64_C(0x9e3779b97f4a7c15);

    return lifetime_ms - spread + (int64_t)((hash >> 32) % (uint64_t)(2 * spread + 1));
}

/* Which of the session's clocks runs out first; INT64_MAX when none runs. */
static struct clock_choice earliest_clock(const struct session *session)
{
    const struct listener_config *listener = session->listener;
    const struct flow *up = &session->flow[UPLOAD];
    const struct flow *down = &session->flow[DOWNLOAD];
    int64_t moved_ms = later(up->read_ms, down->read_ms);
    bool is_stalled = false;
    struct clock_choice choice = {.deadline_ms = INT64_MAX};

    consider(&choice, session->state_ms, lifetime_of(session), CLOSE_MAX_LIFETIME, FIRST_NOBODY,
             UPLOAD);

    for (int i = UPLOAD; i <= DOWNLOAD; i++) {
        const struct flow *flow = &session->flow[i];
        enum side source = i == UPLOAD ? FRONTEND : BACKEND;
        enum side destination = other_side(source);
        int64_t side_timeout_ms =
            i == UPLOAD ? listener->client_idle_timeout_ms : listener->server_idle_timeout_ms;

        if (flow->stalled_ms != 0) {
            consider(&choice, flow->stalled_ms, listener->stall_timeout_ms, CLOSE_STALL_TIMEOUT,
                     first_of(destination), (enum direction)i);
            is_stalled |= listener->stall_timeout_ms > 0;
        } else if (flow->state == FLOW_OPEN && !flow_is_over(&session->flow[1 - i])) {
            consider(&choice, flow->read_ms, side_timeout_ms, CLOSE_IDLE_TIMEOUT, first_of(source),
                     (enum direction)i);
        }
    }
    if (is_stalled)
        return choice;
    if (flow_is_over(up) != flow_is_over(down)) {
        enum direction open = flow_is_over(up) ? DOWNLOAD : UPLOAD;

        consider(&choice, moved_ms, listener->half_close_timeout_ms, CLOSE_HALF_CLOSE_TIMEOUT,
                 open == UPLOAD ? FIRST_CLIENT : FIRST_SERVER, open);
    } else {
        consider(&choice, moved_ms, listener->idle_timeout_ms, CLOSE_IDLE_TIMEOUT, FIRST_CULVERT,
                 UPLOAD);
    }
    return choice;
}

/*
 * Looks at the send queue towards a side, where bytes may still be on their way although nothing is
 * held here. True when it has shrunk since the last look, or was not looked at yet.
 */
static bool queue_moves(struct flow *flow)
{
    struct conn *destination = flow->destination;
    int queued = socket_unacknowledged(destination->fd);
    bool is_moving = queued > 0 && (!flow->was_looked_at || queued < flow->stalled_bytes);

    flow->was_looked_at = queued > 0;
    flow->stalled_bytes = queued;
    return is_moving;
}

/* Whether the clock that ran out finds that there was progress after all, and starts it anew. */
static bool finds_progress(struct session *session, struct clock_choice *choice, int64_t now_ms)
{
    struct flow *flow = &session->flow[choice->direction];

    if ((choice->reason == CLOSE_IDLE_TIMEOUT || choice->reason == CLOSE_HALF_CLOSE_TIMEOUT) &&
        list_contains_link(&session->queue)) {
        flow->read_ms = now_ms; /* its bytes wait for a buffer or a turn: the silence is ours */
        return true;
    }
    if (choice->reason == CLOSE_STALL_TIMEOUT) {
        int queued = socket_unacknowledged(flow->destination->fd);

        if (queued >= flow->stalled_bytes)
            return false;
        flow->stalled_bytes = queued;
        flow->stalled_ms = now_ms;
        return true;
    }
    if (choice->reason == CLOSE_HALF_CLOSE_TIMEOUT ||
        (choice->reason == CLOSE_IDLE_TIMEOUT && choice->waited_for == FIRST_CULVERT)) {
        bool up_moves = queue_moves(&session->flow[UPLOAD]);
        bool down_moves = queue_moves(&session->flow[DOWNLOAD]);

        if (up_moves || down_moves) {
            flow->read_ms = now_ms; /* acknowledged bytes restart the clock as moved ones do */
            return true;
        }
        for (int i = UPLOAD; i <= DOWNLOAD; i++) {
            if (choice->reason == CLOSE_IDLE_TIMEOUT || !session->flow[i].was_looked_at)
                continue;
            /* All is written, and nothing was acknowledged for a whole period. */
            choice->reason = CLOSE_STALL_TIMEOUT;
            choice->waited_for = i == UPLOAD ? FIRST_SERVER : FIRST_CLIENT;
        }
    }
    return false;
}

/* Arms the timer anew when a change of shape may have brought a deadline forward. */
static void follow_shape(struct session *session)
{
    uint8_t shape = 0;

    for (int i = UPLOAD; i <= DOWNLOAD; i++) {
        if (session->flow[i].stalled_ms != 0)
            shape |= (uint8_t)(SHAPE_STALLED << i);
        if (flow_is_over(&session->flow[i]))
            shape |= (uint8_t)(SHAPE_ENDED << i);
    }
    if (shape == session->shape)
        return;
    if ((shape & ~session->shape & (SHAPE_ENDED | SHAPE_ENDED << 1)) != 0)
        session_set_phase(session, PHASE_HALF_CLOSED);
    session->shape = shape;
    session_arm(session, earliest_clock(session).deadline_ms);
}

static void note_first_end(struct session *session)
{
    if (session->first != FIRST_NOBODY)
        return;
    if (session->conn[session->active_side].eof)
        session->first = first_of(session->active_side);
    else if (session->conn[other_side(session->active_side)].eof)
        session->first = first_of(other_side(session->active_side));
}

/* An end without close_notify that `truncation = lenient` has let pass is not kept secret. */
static void keep_bare_ends(struct session *session)
{
    for (enum side side = FRONTEND; side <= BACKEND; side++) {
        if (tls_conn_was_lenient(&session->conn[side]))
            session_keep_words(session, side == FRONTEND ? "the client ended without close_notify"
                                                         : "the server ended without close_notify");
    }
}

enum step step_relay_abort(struct session *session, enum side side)
{
    session->broken_side = side;
    return STEP_NEXT;
}

void step_relay_enter(struct session *session)
{
    const struct listener_config *listener = session->listener;
    bool may_splice = listener->splice && session->resources->pipes.budget->limit > 0;
    int64_t now_ms = clock_now_ms();

    for (int i = UPLOAD; i <= DOWNLOAD; i++) {
        struct conn *source = &session->conn[i];

        flow_init(&session->flow[i], source, &session->conn[1 - i], may_splice,
                  listener->buffer_size);
        session->flow[i].read_ms = now_ms;
        /* A socket that is connected takes bytes. What there is to read was told by an edge. */
        source->ready_out = true;
    }
    pace_start(session);
    session->state_ms = now_ms;
    session_set_phase(session, PHASE_RELAY);
    session_arm(session, now_ms + GUARD_AFTER_MS);
    session_arm(session, earliest_clock(session).deadline_ms);
}

static void guard_backend(struct session *session)
{
    if (session->is_guarded)
        return;
    if (session->conn[BACKEND].is_tcp)
        socket_guard(session->conn[BACKEND].fd, &session->pool->options.socket);
    session->is_guarded = true;
}

enum step step_relay_run(struct session *session)
{
    const enum side active = session->active_side;
    int64_t now_ms = clock_now_ms();

    for (int turn = 0; turn < 2; turn++) {
        /* First the flow that reads the active conn, so that a read meets an error behind its
           data; then the one that writes to it. */
        enum side side = turn == 0 ? active : other_side(active);
        struct flow *flow = &session->flow[side];
        enum flow_wait wait = session_pump(session, side, now_ms);

        if (flow->state == FLOW_BROKEN) {
            if (flow->culprit == FLOW_BROKEN_BY_MEMORY)
                return session_cut(session, CLOSE_NO_RESOURCES);
            return step_relay_abort(
                session, flow->culprit == FLOW_BROKEN_BY_SOURCE ? side : other_side(side));
        }
        session_queue(session, wait);
        /* A source that is not being read cannot tell of its reset by events: the tick looks. */
        if (wait == FLOW_WAITS_FOR_DESTINATION || wait == FLOW_WAITS_FOR_BUFFER ||
            wait == FLOW_WAITS_FOR_RATE || (wait == FLOW_WAITS_FOR_NOTHING && side == active))
            relay_recheck(session->resources, &session->conn[side]);
    }
    note_first_end(session);
    if (flow_is_over(&session->flow[UPLOAD]) && flow_is_over(&session->flow[DOWNLOAD])) {
        keep_bare_ends(session);
        session->close_reason = CLOSE_DONE;
        return STEP_OVER;
    }
    if (fault_is(FAULT_CLOSE_BOTH_ON_FIN) &&
        (session->conn[FRONTEND].eof || session->conn[BACKEND].eof)) {
        session->close_reason = CLOSE_DONE;
        return STEP_OVER;
    }
    follow_shape(session);
    return STEP_WAIT;
}

enum step step_relay_expire(struct session *session)
{
    int64_t now_ms = clock_now_ms();
    struct clock_choice choice = earliest_clock(session);

    guard_backend(session);
    while (choice.deadline_ms <= now_ms) {
        if (!finds_progress(session, &choice, now_ms)) {
            session->waited_for = choice.waited_for;
            return session_cut(session, choice.reason);
        }
        choice = earliest_clock(session);
    }
    session_arm(session, choice.deadline_ms);
    return pace_is_on(session) ? step_relay_run(session) : STEP_WAIT;
}
