/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_change.c - one way to tell of a server's new state, whatever has caused it.
 */
#include "pool/server_change.h"

#include <stdio.h>

#include "core/log.h"
#include "pool/pool.h"

const char *server_cause_word(enum server_cause cause)
{
    switch (cause) {
    case SERVER_CAUSE_NONE:
        return "";
    case SERVER_CAUSE_PASSIVE:
        return "passive";
    case SERVER_CAUSE_CHECK:
        return "check";
    case SERVER_CAUSE_ADMIN:
        return "admin";
    case SERVER_CAUSE_DNS:
        return "dns";
    case SERVER_CAUSE_COUNT:
        break;
    }
    return "";
}

void server_change_mark(struct server *server, enum server_cause cause, int64_t now_ms)
{
    atomic_store_explicit(&server->changed_by, cause, memory_order_relaxed);
    atomic_store_explicit(&server->changed_ms, now_ms, memory_order_relaxed);
}

static void log_change(const struct pool *pool, const struct server *server, enum server_state from,
                       enum server_state to, enum server_cause cause, const char *detail)
{
    struct log_event event;
    char addr[ADDR_TEXT_BYTES];

    log_event_begin(&event, to == SERVER_STATE_DOWN ? LOG_WARN : LOG_INFO, "server_state");
    log_event_string(&event, "pool", pool->name);
    log_event_string(&event, "server", server->name);
    log_event_string(&event, "server_addr", server_addr_text(server, addr));
    log_event_string(&event, "from", server_state_word(from));
    log_event_string(&event, "to", server_state_word(to));
    log_event_string(&event, "cause", server_cause_word(cause));
    log_event_string(&event, "detail", detail);
    log_event_post(&event);
}

void server_change_note(struct pool *pool, struct server *server, enum server_state from,
                        enum server_cause cause, const char *detail, int64_t now_ms)
{
    enum server_state to = server_state_of(server);

    if (to != from) {
        server_change_mark(server, cause, now_ms);
        snprintf(server->changed_detail, sizeof(server->changed_detail), "%s", detail);
        server->changes[cause][to]++;
        log_change(pool, server, from, to, cause, detail);
    }
    pool_queue_changed(pool);
}
