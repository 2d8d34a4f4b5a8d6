/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_watch.c - between discovery, which knows no workers, and the workers.
 */
#include "daemon/dns_watch.h"

#include <stdlib.h>
#include <sysexits.h>

#include "core/clock.h"
#include "core/log.h"
#include "pool/server_change.h"
#include "worker/publish.h"
#include "daemon/loop_check.h"

struct dns_watch {
    struct dns_watch_options options;
    struct discovery *discovery; /* NULL: nothing to look up */
};

static bool publish(void *argument, struct pool *pool)
{
    struct dns_watch *watch = argument;

    checker_pool_changed(watch->options.checker, pool);
    if (!worker_publish_members(watch->options.shared, pool))
        return false;
    pool_queue_changed(pool); /* who waits may find a place on a new server */
    return true;
}

/* A server that is culvert itself. It stays: the limits of connections end the circle, and the next
   answer may be a better one. */
static void warn_of_loop(const struct dns_watch *watch, const struct pool *pool,
                         const struct server *server)
{
    const struct dns_watch_options *options = &watch->options;
    const struct listener_config *listener = loop_check_find(
        options->snapshot, options->bound, options->bound_count, pool, &server->addr);
    char addr[ADDR_TEXT_BYTES];
    struct log_event event;

    if (listener == NULL)
        return;
    log_event_begin(&event, LOG_WARN, "dns_loop");
    log_event_string(&event, "listener", listener->name);
    log_event_string(&event, "pool", pool->name);
    log_event_string(&event, "server", server->name);
    log_event_string(&event, "server_addr", server_addr_text(server, addr));
    log_event_string(&event, "message",
                     "the name leads to the listener itself: each session would open another one");
    log_event_post(&event);
}

/* The checks first: they say what the server is to begin with. */
static void on_came(void *argument, struct pool *pool, struct server *server, bool joins)
{
    struct dns_watch *watch = argument;

    warn_of_loop(watch, pool, server);
    checker_pool_changed(watch->options.checker, pool);
    if (joins)
        server_change_note(pool, server, SERVER_STATE_DOWN, SERVER_CAUSE_DNS, "new in the answer",
                           clock_now_ms());
}

static void on_gone(void *argument, struct pool *pool, struct server *server,
                    enum server_state from)
{
    struct dns_watch *watch = argument;

    server_change_note(pool, server, from, SERVER_CAUSE_DNS, "not in the answer any more",
                       clock_now_ms());
    server_end_begin(watch->options.ends, pool, server, pool->options.on_remove);
}

struct dns_watch *dns_watch_open(struct event_base *base, const struct dns_watch_options *options,
                                 struct error *error)
{
    const struct snapshot *snapshot = options->snapshot;
    struct dns_watch *watch = calloc(1, sizeof(*watch));
    const struct discovery_options discovery = {
        .dns = &snapshot->dns,
        .sources = snapshot->sources,
        .source_count = snapshot->source_count,
        .publish = publish,
        .came = on_came,
        .gone = on_gone,
        .argument = watch,
    };

    if (watch == NULL) {
        error_set(error, EX_OSERR, "out of memory");
        return NULL;
    }
    watch->options = *options;
    if (snapshot->source_count == 0)
        return watch;
    watch->discovery = discovery_open(base, &discovery, error);
    if (watch->discovery != NULL)
        return watch;
    free(watch);
    return NULL;
}

void dns_watch_close(struct dns_watch *watch)
{
    if (watch == NULL)
        return;
    discovery_close(watch->discovery);
    free(watch);
}

void dns_watch_settle(struct dns_watch *watch)
{
    if (watch->discovery != NULL)
        discovery_settle(watch->discovery, DNS_WATCH_SETTLE_MS);
}

const struct discovery *dns_watch_discovery(const struct dns_watch *watch)
{
    return watch->discovery;
}
