/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_connect.c - choosing a server and connecting to it; another one if that fails.
 *
 * The client's bytes stay in the kernel meanwhile, so a further attempt loses none of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/fault.h"
#include "core/log.h"
#include "pool/pool_queue.h"
#include "relay/backend_open.h"
#include "relay/session_wait.h"
#include "relay/session_words.h"
#include "relay/step.h"

static void log_server_state(const struct session *session, enum log_level level,
                             const struct server *server, const char *to)
{
    struct log_event event;
    char addr[ADDR_TEXT_BYTES];

    log_event_begin(&event, level, "server_state");
    log_event_string(&event, "pool", session->pool->name);
    log_event_string(&event, "server", server->name);
    log_event_string(&event, "server_addr", server_addr_text(server, addr));
    log_event_string(&event, "to", to);
    log_event_string(&event, "cause", "passive");
    log_event_post(&event);
}

/* This worker's shard. */
static struct server_counters *session_server_counters(const struct session *session)
{
    return &session->server->counters[session->resources->worker];
}

static void count_connect(struct session *session, enum connect_result result)
{
    counter_add(&session_server_counters(session)->connects[result], 1);
}

static enum connect_result result_of(enum close_reason reason, int error)
{
    if (reason == CLOSE_CONNECT_REFUSED)
        return CONNECT_REFUSED;
    if (reason == CLOSE_CONNECT_TIMEOUT)
        return CONNECT_TIMED_OUT;
    if (reason == CLOSE_PORTS_EXHAUSTED)
        return CONNECT_PORTS_EXHAUSTED;
    if (reason == CLOSE_SOURCE_FAILED)
        return CONNECT_SOURCE_FAILED;
    if (reason == CLOSE_SERVER_TLS)
        return CONNECT_TLS;
    return error == ECONNRESET ? CONNECT_RESET : CONNECT_UNREACHABLE;
}

/* The attempt under way failed: gives the server's place back and remembers why. */
static void attempt_failed(struct session *session, enum close_reason reason, int error)
{
    struct server *server = session->server;

    session->close_reason = reason;
    session->close_error = (int16_t)error;
    session->owes_answer = false;
    count_connect(session, result_of(reason, error));
    conn_reset(&session->conn[BACKEND]);
    if (close_reason_blames_server(reason)) {
        if (pool_connect_failed(session->pool, server, clock_now_ms())) {
            counter_add(&session_server_counters(session)->ejections, 1);
            log_server_state(session, LOG_WARN, server, "ejected");
        }
    } else {
        pool_connect_abandoned(session->pool, server);
    }
    pool_leave(session->pool, server);
    session->server = NULL;
}

static enum step connected(struct session *session)
{
    struct pool_counters *counters = &session->resources->counters.pools[session->pool->index];

    session->connect_us = session_age_us(session) - session->began_us;
    latency_observe(&counters->connect, session->connect_us);
    return STEP_NEXT;
}

void step_connect_succeeded(struct session *session)
{
    session->owes_answer = false;
    session->began_us = session_age_us(session); /* the relay: the first byte is timed from here */
    count_connect(session, CONNECT_OK);
    if (pool_connect_succeeded(session->pool, session->server, clock_now_ms())) {
        counter_add(&session_server_counters(session)->returns, 1);
        log_server_state(session, LOG_INFO, session->server, "up");
    }
}

/* What of the client decides, where the pool chooses by that. */
static uint64_t hash_of(const struct session *session)
{
    enum hash_key key = session->pool->options.hash_key;
    struct addr dialled = {.family = AF_UNSPEC};
    struct hash_client client = {
        .source = &session->client, .destination = &dialled, .sni = session_sni(session)};

    if (key == HASH_DESTINATION)
        session_destination(session, &dialled);
    return hash_key_of(key, &client);
}

/* The pool was paused between the look at its queue and the choice. */
static void put_back(struct session *session)
{
    pool_connect_abandoned(session->pool, session->server);
    pool_leave(session->pool, session->server);
    pool_forget(session->server);
    session->server = NULL;
}

/* Takes a place on a server that was not tried yet. Nobody overtakes those who wait for one. */
static enum pool_answer pick(struct session *session)
{
    struct server *tried[SESSION_TRIES_MAX];
    struct balance_request request = {
        .tried = tried, .now_ms = clock_now_ms(), .seed = &session->resources->random};
    enum pool_answer answer;

    if (!session_is_waiting(session) && pool_queue_is_ahead(session->pool))
        return POOL_ALL_FULL;
    if (session->pool->options.balance == BALANCE_MAGLEV)
        request.hash = hash_of(session);
    for (unsigned i = session_wait_forgiven(session); i < session->tried_count; i++)
        tried[request.tried_count++] = session->pool->servers[session->tried[i]];
    answer = pool_pick(session->pool, &request, &session->server);
    if (answer != POOL_CHOSEN)
        return answer;
    if (pool_is_paused(session->pool)) {
        put_back(session);
        return POOL_ALL_FULL;
    }
    session->tried[session->tried_count++] = (uint16_t)session->server->position;
    session->owes_answer = true;
    session->close_error = 0; /* of an earlier attempt */
    return POOL_CHOSEN;
}

/* No attempt is left: the client is told as `when_down` says. */
static enum step give_up(struct session *session)
{
    if (close_reason_cause(session->close_reason) == CAUSE_SERVER)
        session->first = FIRST_SERVER;
    return session_refuse(session, session->close_reason, session->listener->when_down);
}

/* Every usable server is full, or the pool is paused. */
static enum step wait_in_queue(struct session *session)
{
    switch (session_wait_begin(session)) {
    case SESSION_WAITS:
        session->close_error = 0; /* of an attempt before it */
        session_arm(session, session_wait_deadline_ms(session));
        return STEP_WAIT;
    case SESSION_WAIT_FULL:
        if (session->tried_count == 0)
            session->close_reason =
                session->pool->options.queue_size == 0 ? CLOSE_LIMIT : CLOSE_QUEUE_FULL;
        break;
    case SESSION_WAIT_NO_MEMORY:
        session->close_reason = CLOSE_NO_RESOURCES;
        break;
    }
    return give_up(session);
}

static enum step no_server(struct session *session, enum close_reason reason)
{
    if (session_is_waiting(session))
        return wait_in_queue(session); /* one may come back before queue_timeout */
    if (session->tried_count == 0)
        session->close_reason = reason;
    return give_up(session);
}

static enum step start_attempt(struct session *session)
{
    while (session->tried_count <= session->pool->options.connect_retries) {
        enum close_reason reason;
        int error;

        switch (pick(session)) {
        case POOL_CHOSEN:
            break;
        case POOL_NONE_USABLE:
            return no_server(session, CLOSE_NO_SERVER);
        case POOL_ALL_FULL:
            return wait_in_queue(session);
        case POOL_UNRESOLVED:
            return no_server(session, CLOSE_DNS_FAILED);
        }
        if (session_is_waiting(session)) {
            session_wait_end(session);
            session_set_phase(session, PHASE_CONNECT);
        }
        if (session->tried_count > 1)
            counter_add(&session->resources->counters.pools[session->pool->index].retries, 1);

        error = backend_open(session, &reason);
        if (error == 0 || error == EINPROGRESS) {
            if (!session_watch(session, BACKEND)) {
                error = ENOMEM;
                reason = CLOSE_NO_RESOURCES;
            } else if (error == 0) {
                return connected(session);
            } else {
                session->state_ms = clock_now_ms();
                session_arm(session, session->state_ms + session->pool->options.connect_timeout_ms);
                return STEP_WAIT;
            }
        }
        attempt_failed(session, reason, error);
        if (reason == CLOSE_NO_RESOURCES)
            break; /* another server would need the same descriptor or memory */
    }
    return give_up(session);
}

/* The server is wherever the client wanted to go. */
static enum step start_original(struct session *session)
{
    enum close_reason reason;

    if (backend_find_destination(session, &reason))
        return start_attempt(session);
    session->close_reason = reason;
    return give_up(session);
}

/* The backend socket had an event. */
static enum step look_at_backend(struct session *session)
{
    struct conn *conn = &session->conn[BACKEND];
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    int error = 0;

    /* It has a peer: connected, and nothing was consumed to learn it. */
    if (getpeername(conn->fd, (struct sockaddr *)&peer, &length) == 0)
        return connected(session);
    length = sizeof(error);
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &length) == -1)
        error = errno;
    if (error == 0)
        return STEP_WAIT; /* not the end of the connect yet */
    if (error == ECONNRESET || error == EPIPE) {
        /* Connected, then reset: what the server sent before is still to be read. The look has
           eaten the errno, so it is kept here. */
        conn_fail(conn, error);
        return connected(session);
    }
    attempt_failed(session, close_reason_from_connect_error(error), error);
    return start_attempt(session);
}

/* The planted fault: no connect before the client has sent something. */
static bool fault_waits_for_client(const struct session *session)
{
    char byte;

    return fault_is(FAULT_LAZY_CONNECT) &&
           recv(session->conn[FRONTEND].fd, &byte, 1, MSG_PEEK) == -1;
}

/* A call, or an event of the client: a reset ends the wait, data and an end do not. */
static enum step run_waiting(struct session *session)
{
    if (session_wait_take_call(session))
        return start_attempt(session);
    relay_recheck(session->resources, &session->conn[FRONTEND]);
    return STEP_WAIT;
}

static enum step expire_waiting(struct session *session)
{
    int64_t deadline_ms = session_wait_deadline_ms(session);

    if (clock_now_ms() < deadline_ms) {
        session_arm(session, deadline_ms);
        return STEP_WAIT;
    }
    session_wait_end(session);
    session->close_reason = CLOSE_QUEUE_TIMEOUT;
    return give_up(session);
}

enum step step_connect_run(struct session *session)
{
    if (session_is_waiting(session))
        return run_waiting(session);
    if (session->conn[BACKEND].fd == -1) {
        if (fault_waits_for_client(session))
            return STEP_WAIT;
        session_set_phase(session, PHASE_CONNECT);
        return session->pool->options.is_original ? start_original(session)
                                                  : start_attempt(session);
    }
    if (session->active_side == FRONTEND) {
        /* Data, an end or a reset: its events do not tell. The tick will look, if it comes to
           that; most connects are faster. */
        relay_recheck(session->resources, &session->conn[FRONTEND]);
        return STEP_WAIT;
    }
    return look_at_backend(session);
}

enum step step_connect_expire(struct session *session)
{
    int64_t deadline_ms = session->state_ms + session->pool->options.connect_timeout_ms;

    if (session_is_waiting(session))
        return expire_waiting(session);
    if (session->conn[BACKEND].fd == -1)
        return STEP_WAIT;
    if (session->pool->options.connect_timeout_ms == 0)
        return STEP_WAIT;
    if (clock_now_ms() < deadline_ms) {
        session_arm(session, deadline_ms);
        return STEP_WAIT;
    }
    attempt_failed(session, CLOSE_CONNECT_TIMEOUT, ETIMEDOUT);
    return start_attempt(session);
}

enum step step_connect_server_tls_failed(struct session *session, int error, const char *text)
{
    session_keep_words(session, text);
    /* An alert that OpenSSL has written gets there; silence needs no such care. */
    if (error != ETIMEDOUT)
        conn_close(&session->conn[BACKEND]);
    attempt_failed(session, CLOSE_SERVER_TLS, error);
    return give_up(session);
}

enum step step_connect_announce_failed(struct session *session, int error)
{
    attempt_failed(session, close_reason_from_connect_error(error), error);
    return give_up(session);
}
