/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - the states of a session in order, its events, its deadline, and its one end.
 */
#include "relay/session.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/text.h"
#include "net/socket.h"
#include "relay/backend_open.h"
#include "relay/handshake.h"
#include "relay/pace.h"
#include "relay/preread.h"
#include "relay/session_wait.h"
#include "relay/source_table.h"
#include "relay/step.h"

/* One row per state, in the order in which a session passes through them. */
static const struct {
    void (*enter)(struct session *session);
    enum step (*run)(struct session *session);
    enum step (*turn)(struct session *session);
    enum step (*expire)(struct session *session);
} steps[SESSION_STATE_COUNT] = {
    [SESSION_PROXY_HEADER] = {.run = step_proxy_header_run, .expire = preread_expire},
    [SESSION_CLIENT_HELLO] = {.run = step_client_hello_run, .expire = preread_expire},
    [SESSION_ROUTE] = {.run = step_route_run, .expire = step_route_run},
    [SESSION_CLIENT_TLS] = {.run = step_client_tls_run,
                            .turn = step_client_tls_turn,
                            .expire = step_client_tls_expire},
    [SESSION_CONNECT] = {.run = step_connect_run, .expire = step_connect_expire},
    [SESSION_ANNOUNCE] = {.run = step_announce_run, .expire = step_announce_expire},
    [SESSION_SERVER_TLS] = {.run = step_server_tls_run,
                            .turn = step_server_tls_turn,
                            .expire = step_server_tls_expire},
    [SESSION_RELAY] = {.enter = step_relay_enter,
                       .run = step_relay_run,
                       .expire = step_relay_expire},
    [SESSION_ABORT_DRAIN] = {.enter = step_abort_drain_enter,
                             .run = step_abort_drain_run,
                             .expire = step_abort_drain_run},
};

/* With libevent's share, an idle session is to take less than 0.9 KiB: tests/e2e/test_mem_slope.py.
 */
static_assert(sizeof(struct session) <= 776, "a session has grown");

/* A residue older than this gives its pipe back. */
#define SPILL_AFTER_MS 100

/* A session that moved nothing for this long is idle. */
#define IDLE_MS 1000

/* Reads before a last word: more than a socket's buffer holds as a rule. */
#define DISMISS_READS 8

/* A TLS record with a fatal alert (RFC 8446, 5.1 and 6.2; RFC 6066, 3). */
static const unsigned char unrecognized_name[] = {21, 3, 3, 0, 2, 2, 112};

void session_set_phase(struct session *session, enum phase phase)
{
    struct listener_counters *counters =
        &session->resources->counters.listeners[session->listener->index];

    counter_subtract(&counters->sessions[session->phase], 1);
    counter_add(&counters->sessions[phase], 1);
    session->phase = phase;
}

uint32_t session_age_us(const struct session *session)
{
    int64_t age_us = clock_now_us() - session->accepted_us;

    return age_us < UINT32_MAX ? (uint32_t)age_us : UINT32_MAX - 1;
}

void session_arm(struct session *session, int64_t deadline_ms)
{
    int64_t now_ms;
    struct timeval delay;

    if (deadline_ms == INT64_MAX || (session->armed_ms != 0 && session->armed_ms <= deadline_ms))
        return;
    now_ms = clock_now_ms();
    if (deadline_ms <= now_ms)
        deadline_ms = now_ms + 1;
    delay.tv_sec = (deadline_ms - now_ms) / 1000;
    delay.tv_usec = (deadline_ms - now_ms) % 1000 * 1000;
    session->is_unarmed = event_add(&session->timer, &delay) == -1;
    session->armed_ms = deadline_ms;
}

enum flow_wait session_pump(struct session *session, enum side side, int64_t now_ms)
{
    struct flow *flow = &session->flow[side];
    struct relay_resources *resources = session->resources;
    struct tally_counters *tally = &resources->counters.tallies[session->tally];
    uint64_t delivered = flow->delivered;
    uint64_t spliced = flow->spliced;
    enum flow_wait wait = flow->is_paced ? pace_pump(session, side, now_ms)
                                         : flow_pump(flow, resources, RELAY_ROUNDS, now_ms);

    delivered = flow->delivered - delivered;
    if (delivered == 0)
        return wait;
    spliced = flow->spliced - spliced;
    counter_add(side == FRONTEND ? &tally->upload_bytes : &tally->download_bytes, delivered);
    if (spliced > 0)
        counter_add(&resources->counters.spliced_bytes, spliced);
    if (spliced < delivered)
        counter_add(session->client_tls != SESSION_PLAIN || session->server_tls != SESSION_PLAIN
                        ? &resources->counters.tls_bytes
                        : &resources->counters.copied_bytes,
                    delivered - spliced);
    if (side == BACKEND && !session->has_first_byte) {
        session->has_first_byte = true;
        session->began_us = session_age_us(session) - session->began_us;
        latency_observe(&resources->counters.pools[session->pool->index].first_byte,
                        session->began_us);
    }
    return wait;
}

void session_queue(struct session *session, enum flow_wait wait)
{
    struct relay_resources *resources = session->resources;

    if (wait == FLOW_WAITS_FOR_TURN) {
        /* Even if the other flow waits for a buffer: a turn tries both, and asks again. */
        list_remove(&session->queue);
        list_append(&resources->run_queue, &session->queue);
        relay_wake_run_queue(resources);
    } else if (wait == FLOW_WAITS_FOR_BUFFER && !list_contains_link(&session->queue)) {
        list_append(&resources->buffer_waiters, &session->queue);
        counter_add(&resources->counters.buffer_waits, 1);
        relay_wake_tick(resources);
    }
}

void session_spill(struct session *session, enum side side, int64_t now_ms)
{
    struct flow *flow = &session->flow[side];

    if (flow->pipe != NULL && flow->stalled_ms != 0 && now_ms - flow->stalled_ms >= SPILL_AFTER_MS)
        flow_spill(flow, session->resources);
}

uint64_t session_undelivered_to(const struct session *session, enum side side)
{
    const struct conn *conn = &session->conn[side];
    uint64_t queued = conn->is_tcp ? (uint64_t)socket_unacknowledged(conn->fd) : 0;

    if (conn->fin_out && queued > 0)
        queued--; /* our end takes a place in the queue, but it is no byte */
    return flow_held(&session->flow[other_side(side)]) + queued;
}

/* Whoever ends a session before the relay tells the pool that nothing was learnt of its server. */
static void settle_with_pool(struct session *session)
{
    if (session->owes_answer)
        pool_connect_abandoned(session->pool, session->server);
    session->owes_answer = false;
}

enum step session_client_left(struct session *session, int error)
{
    settle_with_pool(session);
    session->first = FIRST_CLIENT;
    session->close_error = (int16_t)error;
    session->close_reason = CLOSE_CLIENT_LEFT;
    conn_reset(&session->conn[BACKEND]);
    conn_close(&session->conn[FRONTEND]);
    return STEP_OVER;
}

enum step session_cut(struct session *session, enum close_reason reason)
{
    session->close_reason = reason;
    if (session->first == FIRST_NOBODY)
        session->first = FIRST_CULVERT;
    settle_with_pool(session);
    for (enum side i = FRONTEND; i <= BACKEND; i++) {
        struct conn *conn = &session->conn[i];

        if (conn->fd == -1)
            continue;
        session->undelivered += (uint32_t)session_undelivered_to(session, i);
        conn_reset(conn);
    }
    return STEP_OVER;
}

void session_dismiss(struct session *session, const void *word, size_t size)
{
    struct conn *conn = &session->conn[FRONTEND];

    for (int i = 0; i < DISMISS_READS; i++) {
        if (recv(conn->fd, session->resources->scratch, BUFFER_READ_BYTES, 0) <= 0)
            break;
    }
    /* A socket that has sent next to nothing yet takes it all; if not, the close says enough. */
    (void)!send(conn->fd, word, size, MSG_NOSIGNAL);
    conn_close(conn);
}

enum step session_refuse(struct session *session, enum close_reason reason, enum refusal how)
{
    struct conn *conn = &session->conn[FRONTEND];

    session->close_reason = reason;
    if (session->first == FIRST_NOBODY)
        session->first = FIRST_CULVERT;
    switch (how) {
    case REFUSE_RESET:
        conn_reset(conn);
        break;
    case REFUSE_CLOSE:
        /* Behind a TLS handshake a bare FIN would be the end of a stream that was cut. */
        if (conn_is_tls(conn))
            conn_reset(conn);
        else
            session_dismiss(session, "", 0); /* what was not read would make it a reset */
        break;
    case REFUSE_ALERT:
        session_dismiss(session, unrecognized_name, sizeof(unrecognized_name));
        break;
    }
    return STEP_OVER;
}

/* What the session's end is told: only who asks for it pays for it. */
static void post_record(struct session *session)
{
    struct session_record record;
    enum access_log access = session->listener->access;

    if (access == ACCESS_OFF || !log_is_enabled(LOG_INFO))
        return;
    if (access == ACCESS_ERRORS &&
        (session->close_reason == CLOSE_DONE || session->close_reason == CLOSE_DRAINED))
        return;
    session_describe(session, &record);
    if (record.phase == PHASE_HALF_CLOSED || record.phase == PHASE_ABORTING)
        record.phase = PHASE_RELAY; /* those are words of live views */
    log_post(LOG_INFO, LOG_ACCESS, session_record_expand_end, &record, sizeof(record));
}

/* Gives back the places of the client's address, and of the proxy's that named it. */
static void leave_sources(const struct session *session)
{
    struct source_table *sources = session->resources->sources;
    const struct session_claim *claim = session_claim(session);

    source_table_leave(sources, session->listener, session_client_socket(session));
    if (claim != NULL && claim->holds_place)
        source_table_leave(sources, session->listener, &session->client);
}

/* The only place that frees a session. */
static void session_close(struct session *session)
{
    struct relay_resources *resources = session->resources;
    struct listener_counters *counters = &resources->counters.listeners[session->listener->index];

    assert(
        session->state != SESSION_RELAY || session->close_reason != CLOSE_DONE ||
        fault_is(FAULT_CLOSE_BOTH_ON_FIN) ||
        (session->flow[UPLOAD].state == FLOW_ENDED && session->flow[DOWNLOAD].state == FLOW_ENDED));
    post_record(session);
    counter_add(&resources->counters.tallies[session->tally].closed[session->close_reason], 1);
    duration_observe(&counters->duration, clock_now_us() - session->accepted_us);

    session_wait_end(session);
    list_remove(&session->link);
    list_remove(&session->queue);
    event_del(&session->timer);
    for (int i = FRONTEND; i <= BACKEND; i++) {
        flow_release(&session->flow[i], resources);
        if (fault_is(FAULT_FIN_TO_RST))
            conn_reset(&session->conn[i]);
        conn_close(&session->conn[i]);
    }
    if (session->server != NULL)
        pool_leave(session->pool, session->server);
    for (unsigned i = 0; i < session->tried_count; i++)
        pool_forget(session->pool->servers[session->tried[i]]);
    backend_forget(session);
    leave_sources(session);
    session_words_release(session);
    counter_subtract(&counters->sessions[session->phase], 1); /* once its places are free */
    atomic_fetch_sub_explicit(&session->listener->sessions, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(resources->process_sessions, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(resources->worker_sessions, 1, memory_order_relaxed);
    (void)relay_take_slack(resources); /* mostly it is there */
    if (resources->wants_places)
        relay_offer_place(resources);
    snapshot_unref(session->listener->snapshot);
    free(session);
}

/* Does what a step answered, up to where the session waits or no longer exists. */
static void session_obey(struct session *session, enum step step)
{
    while (true) {
        switch (step) {
        case STEP_NEXT:
            assert(session->state + 1 < SESSION_STATE_COUNT);
            session->state = (enum session_state)(session->state + 1);
            if (steps[session->state].enter != NULL)
                steps[session->state].enter(session);
            step = steps[session->state].run(session);
            break;
        case STEP_WAIT:
            if (!session->is_unarmed)
                return;
            session->is_unarmed = false;
            step = session_cut(session, CLOSE_NO_RESOURCES);
            break;
        case STEP_OVER:
            session_close(session);
            return; /* the session no longer exists */
        }
    }
}

void session_run(struct session *session)
{
    session_obey(session, steps[session->state].run(session));
}

void session_handshake(struct session *session)
{
    session_obey(session, steps[session->state].turn(session));
}

void session_end(struct session *session, enum close_reason reason)
{
    session_obey(session, session_cut(session, reason));
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct session *session = argument;

    (void)fd;
    (void)what;
    session->armed_ms = 0;
    session_obey(session, steps[session->state].expire(session));
}

static void on_event(struct session *session, enum side side, short what)
{
    struct conn *conn = &session->conn[side];

    counter_add(&session->resources->counters.wakeups, 1);
    conn_note_event(conn, what);
    session->active_side = side;
    if (fault_is(FAULT_READ_SO_ERROR)) {
        int error;
        socklen_t length = sizeof(error);

        getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    }
    session_run(session);
}

static void on_frontend_event(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    on_event(argument, FRONTEND, what);
}

static void on_backend_event(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    on_event(argument, BACKEND, what);
}

bool session_watch(struct session *session, enum side side)
{
    return conn_watch(&session->conn[side], session->resources->base,
                      side == FRONTEND ? on_frontend_event : on_backend_event, session);
}

bool session_start(struct relay_resources *resources, struct listener_config *listener, int fd,
                   const struct addr *client, int64_t accepted_us)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session == NULL)
        return false;
    session->resources = resources;
    session->listener = listener;
    session->client = *client;
    session->accepted_us = accepted_us;
    session->id = resources->next_id++;
    session->tally = listener->first_tally;
    session->connect_us = UINT32_MAX;
    session->close_reason = CLOSE_INTERNAL;
    event_assign(&session->timer, resources->base, -1, 0, on_timer, session);
    conn_init(&session->conn[FRONTEND]);
    conn_init(&session->conn[BACKEND]);
    conn_open(&session->conn[FRONTEND], fd, client->family != AF_UNIX);
    if (!session_watch(session, FRONTEND)) {
        free(session);
        return false;
    }
    list_append(&resources->sessions, &session->link);
    counter_add(&resources->counters.listeners[listener->index].sessions[session->phase], 1);
    if (listener->access_start && log_is_enabled(LOG_INFO)) {
        struct session_record record;

        session_describe(session, &record);
        log_post(LOG_INFO, LOG_ACCESS, session_record_expand_start, &record, sizeof(record));
    }
    session_run(session);
    return true;
}

static bool has_reset(struct conn *conn)
{
    return conn_peek_error(conn) && !fault_is(FAULT_MISS_RST);
}

/* RELAY: a conn with a read to make makes it; one without is looked at for an error. */
static enum step recheck_relay(struct session *session, enum side side)
{
    struct conn *conn = &session->conn[side];
    struct flow *in = &session->flow[side];
    struct flow *out = &session->flow[other_side(side)];

    session_spill(session, other_side(side), clock_now_ms());
    if (out->pipe != NULL)
        relay_recheck(session->resources, conn);
    session->active_side = side;
    /* One that waits for a buffer or its rate may not read, and so cannot meet its error. */
    if ((list_contains_link(&session->queue) || in->is_paced) && has_reset(conn))
        return step_relay_abort(session, side);
    if (in->state == FLOW_OPEN && flow_held(in) == 0 && in->destination->ready_out) {
        conn_look_for_mark(conn);
        conn_look_again(conn);
        return step_relay_run(session);
    }
    return has_reset(conn) ? step_relay_abort(session, side) : STEP_WAIT;
}

static bool is_shaking_hands(const struct session *session, enum side side)
{
    return session->state == (side == FRONTEND ? SESSION_CLIENT_TLS : SESSION_SERVER_TLS) &&
           conn_is_tls(&session->conn[side]);
}

void session_recheck(struct conn *conn)
{
    struct session *session = event_get_callback_arg(&conn->event);
    enum side side = conn == &session->conn[FRONTEND] ? FRONTEND : BACKEND;
    enum step step = STEP_WAIT;

    switch (session->state) {
    case SESSION_PROXY_HEADER:
    case SESSION_CLIENT_HELLO:
    case SESSION_ROUTE:
        return;
    case SESSION_CLIENT_TLS:
    case SESSION_CONNECT:
    case SESSION_ANNOUNCE:
    case SESSION_SERVER_TLS:
        if (is_shaking_hands(session, side)) {
            conn_look_again(conn);
            step = handshake_wait(session, side);
        } else if (side == FRONTEND && conn_peek_error(conn)) {
            step = session_client_left(session, ECONNRESET);
        }
        break;
    case SESSION_RELAY:
        step = recheck_relay(session, side);
        break;
    case SESSION_ABORT_DRAIN:
        step = step_abort_drain_run(session);
        break;
    case SESSION_STATE_COUNT:
        assert(false);
    }
    session_obey(session, step);
}

bool session_is_idle(const struct session *session, int64_t now_ms)
{
    const struct flow *up = &session->flow[UPLOAD];
    const struct flow *down = &session->flow[DOWNLOAD];

    return session->state == SESSION_RELAY && flow_held(up) == 0 && flow_held(down) == 0 &&
           now_ms - up->read_ms >= IDLE_MS && now_ms - down->read_ms >= IDLE_MS;
}

/* Cuts what is longer; NULL is nothing. */
static void copy_text(char *to, const char *text, size_t size)
{
    size_t length = text != NULL ? strnlen(text, size - 1) : 0;

    if (length > 0)
        memcpy(to, text, length);
    to[length] = '\0';
}

static void copy_name(char *to, const char *name)
{
    copy_text(to, name, SESSION_NAME_BYTES);
}

/* The kernel's smoothed round-trip time to the client in microseconds, 0 when not known. */
static uint32_t frontend_rtt_us(const struct session *session)
{
    const struct conn *conn = &session->conn[FRONTEND];
    struct tcp_info info;
    socklen_t length = sizeof(info);

    if (conn->fd == -1 || !conn->is_tcp ||
        getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == -1)
        return 0;
    return info.tcpi_rtt;
}

static void describe_words(const struct session_words *words, struct session_record *record)
{
    copy_text(record->tls_error, words->tls_error, sizeof(record->tls_error));
    copy_text(record->proxy_error, words->proxy_error, sizeof(record->proxy_error));
    if (words->destination.family != AF_UNSPEC) {
        struct text text = text_over(record->server_addr, sizeof(record->server_addr));

        addr_format(&words->destination, &text);
    }
}

static void describe_client(const struct session *session, struct session_record *record)
{
    const struct addr *client_socket = session_client_socket(session);
    enum client_ip how = session->listener->snapshot->process.client_ip;

    session_record_set_client(record->client, &session->client, how);
    if (client_socket != &session->client)
        session_record_set_client(record->client_socket, client_socket, how);
}

void session_describe(const struct session *session, struct session_record *record)
{
    const struct flow *flow = session->flow;
    const struct route *route = session->route;
    char addr[ADDR_TEXT_BYTES];
    int64_t now_us = clock_now_us();

    memset(record, 0, sizeof(*record));
    record->id = session->id;
    copy_name(record->listener, session->listener->name);
    if (route != NULL)
        copy_name(record->route, route->name);
    if (session->pool != NULL)
        copy_name(record->pool, session->pool->name);
    if (session->tried_count > 0) {
        const struct server *server =
            session->pool->servers[session->tried[session->tried_count - 1]];
        struct text text = text_over(record->server_addr, sizeof(record->server_addr));

        copy_name(record->server, server->name);
        text_append(&text, server_addr_text(server, addr));
    }
    describe_client(session, record);
    copy_text(record->sni, session_sni(session), sizeof(record->sni));
    if (session->words != NULL)
        describe_words(session->words, record);
    strcpy(record->tls, session_tls_word(session->client_tls));
    strcpy(record->server_tls, session_tls_word(session->server_tls));
    record->reason = session->close_reason;
    record->phase = session->phase;
    record->first = session->first;
    record->waited_for = session->waited_for;
    record->error = session->close_error;
    record->upload_bytes = flow[UPLOAD].delivered;
    record->download_bytes = flow[DOWNLOAD].delivered;
    record->spliced_bytes = flow[UPLOAD].spliced + flow[DOWNLOAD].spliced;
    record->undelivered_bytes = session->undelivered;
    record->duration_us = now_us - session->accepted_us;
    record->started_wall_us = clock_wall_us() - record->duration_us;
    record->queue_us = session_wait_us(session);
    record->connect_us = session->connect_us == UINT32_MAX ? -1 : (int64_t)session->connect_us;
    record->first_byte_us = session->has_first_byte ? (int64_t)session->began_us : -1;
    record->rtt_us = frontend_rtt_us(session);
    record->retries = session->tried_count > 0 ? session->tried_count - 1u : 0;
}
