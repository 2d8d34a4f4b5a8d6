/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_watch.h - discovery for the pools of the process: what it finds goes to the workers.
 */
#ifndef CULVERT_DAEMON_DNS_WATCH_H
#define CULVERT_DAEMON_DNS_WATCH_H

#include <event2/event.h>

#include "core/error.h"
#include "discovery/discovery.h"
#include "health/checker.h"
#include "config/snapshot.h"
#include "worker/worker.h"
#include "admin/http_api.h"
#include "daemon/server_end.h"

/* How long the start waits for the first answers. */
#define DNS_WATCH_SETTLE_MS 1000

struct dns_watch;

/* All borrowed. */
struct dns_watch_options {
    struct snapshot *snapshot;
    struct worker_shared *shared;
    struct checker *checker; /* may be NULL */
    struct server_ends *ends;
    const struct bound_addr *bound; /* where culvert listens */
    unsigned bound_count;
};

/* Asks for the names of all server lines, if there are any. The snapshot and the workers must
   outlive it. NULL with the error set otherwise. */
struct dns_watch *dns_watch_open(struct event_base *base, const struct dns_watch_options *options,
                                 struct error *error);

/* Once no worker runs any more: they tell of failed connects by a descriptor that this closes. NULL
   is allowed. */
void dns_watch_close(struct dns_watch *watch);

/* Waits for the first answers, but not for long: sessions end as dns_failed until they come. */
void dns_watch_settle(struct dns_watch *watch);

/* NULL when no server is given by name. */
const struct discovery *dns_watch_discovery(const struct dns_watch *watch);

#endif
