/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checks.c - from a server's new state to the log, and to its sessions.
 */
#include "daemon/checks.h"

#include "core/clock.h"
#include "pool/server_change.h"

static void on_changed(void *argument, struct pool *pool, struct server *server,
                       enum server_state from, const char *detail, bool is_down)
{
    server_change_note(pool, server, from, SERVER_CAUSE_CHECK, detail, clock_now_ms());
    if (is_down)
        server_end_begin(argument, pool, server, pool->options.on_down);
}

struct checker *checks_open(struct event_base *base, struct snapshot *snapshot,
                            struct server_ends *ends, struct error *error)
{
    const struct checker_options options = {
        .base = base,
        .pools = snapshot->pools,
        .pool_count = snapshot->pool_count,
        .health = snapshot->health,
        .tls_slot = (unsigned)snapshot->process.workers,
        .changed = on_changed,
        .argument = ends,
    };

    return checker_open(&options, error);
}
