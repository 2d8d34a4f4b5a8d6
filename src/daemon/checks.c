/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checks.c - from a server's new state to the log.
 */
#include "daemon/checks.h"

#include "core/log.h"

static void on_changed(void *argument, struct pool *pool, struct server *server,
                       enum server_state from, const char *detail, bool is_down)
{
    enum server_state to = server_state_of(server);
    struct log_event event;
    char addr[ADDR_TEXT_BYTES];

    (void)argument;
    if (to == from)
        return;
    log_event_begin(&event, is_down ? LOG_WARN : LOG_INFO, "server_state");
    log_event_string(&event, "pool", pool->name);
    log_event_string(&event, "server", server->name);
    log_event_string(&event, "server_addr", server_addr_text(server, addr));
    log_event_string(&event, "from", server_state_word(from));
    log_event_string(&event, "to", server_state_word(to));
    log_event_string(&event, "cause", "check");
    log_event_string(&event, "detail", detail);
    log_event_post(&event);
}

struct checker *checks_open(struct event_base *base, struct snapshot *snapshot, struct error *error)
{
    const struct checker_options options = {
        .base = base,
        .pools = snapshot->pools,
        .pool_count = snapshot->pool_count,
        .health = snapshot->health,
        .tls_slot = (unsigned)snapshot->process.workers,
        .changed = on_changed,
    };

    return checker_open(&options, error);
}
