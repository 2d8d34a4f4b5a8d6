/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_watch.c - between discovery, which knows no workers, and the workers.
 */
#include "daemon/dns_watch.h"

#include <stdlib.h>
#include <sysexits.h>

#include "worker/publish.h"

struct dns_watch {
    struct worker_shared *shared;
    struct checker *checker;
    struct discovery *discovery; /* NULL: nothing to look up */
};

static bool publish(void *argument, struct pool *pool)
{
    struct dns_watch *watch = argument;

    checker_pool_changed(watch->checker, pool);
    return worker_publish_members(watch->shared, pool);
}

struct dns_watch *dns_watch_open(struct event_base *base, struct snapshot *snapshot,
                                 struct worker_shared *shared, struct checker *checker,
                                 struct error *error)
{
    struct dns_watch *watch = calloc(1, sizeof(*watch));
    const struct discovery_options options = {
        .dns = &snapshot->dns,
        .sources = snapshot->sources,
        .source_count = snapshot->source_count,
        .publish = publish,
        .argument = watch,
    };

    if (watch == NULL) {
        error_set(error, EX_OSERR, "out of memory");
        return NULL;
    }
    watch->shared = shared;
    watch->checker = checker;
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
