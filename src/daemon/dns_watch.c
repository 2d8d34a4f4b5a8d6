/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_watch.c - between discovery, which knows no workers, and the workers.
 */
#include "daemon/dns_watch.h"

#include <stdlib.h>
#include <sysexits.h>

#include "core/clock.h"
#include "pool/server_change.h"
#include "worker/publish.h"

struct dns_watch {
    struct worker_shared *shared;
    struct checker *checker;
    struct server_ends *ends;
    struct discovery *discovery; /* NULL: nothing to look up */
};

static bool publish(void *argument, struct pool *pool)
{
    struct dns_watch *watch = argument;

    checker_pool_changed(watch->checker, pool);
    if (!worker_publish_members(watch->shared, pool))
        return false;
    pool_queue_changed(pool); /* who waits may find a place on a new server */
    return true;
}

static void on_gone(void *argument, struct pool *pool, struct server *server,
                    enum server_state from)
{
    struct dns_watch *watch = argument;

    server_change_note(pool, server, from, SERVER_CAUSE_DNS, "not in the answer any more",
                       clock_now_ms());
    server_end_begin(watch->ends, pool, server, pool->options.on_remove);
}

struct dns_watch *dns_watch_open(struct event_base *base, struct snapshot *snapshot,
                                 struct worker_shared *shared, struct checker *checker,
                                 struct server_ends *ends, struct error *error)
{
    struct dns_watch *watch = calloc(1, sizeof(*watch));
    const struct discovery_options options = {
        .dns = &snapshot->dns,
        .sources = snapshot->sources,
        .source_count = snapshot->source_count,
        .publish = publish,
        .gone = on_gone,
        .argument = watch,
    };

    if (watch == NULL) {
        error_set(error, EX_OSERR, "out of memory");
        return NULL;
    }
    watch->shared = shared;
    watch->checker = checker;
    watch->ends = ends;
    if (snapshot->source_count == 0)
        return watch;
    watch->discovery = discovery_open(base, &options, error);
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
