/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_internal.h - what a worker is made of. Private to worker/.
 */
#ifndef CULVERT_WORKER_WORKER_INTERNAL_H
#define CULVERT_WORKER_WORKER_INTERNAL_H

#include <pthread.h>

#include "core/list.h"
#include "core/log.h"
#include "relay/relay_resources.h"
#include "worker/listener.h"
#include "worker/sessions_query.h"
#include "worker/worker.h"

/* A walk over the live sessions for a query, a bounded number per loop turn. */
struct sessions_scan {
    struct sessions_query *query; /* a reference; NULL: no scan is under way */
    struct list_link cursor;      /* in resources.sessions: the scan goes on behind it */
    struct event *event;          /* zero timer */
};

struct worker {
    unsigned number;
    struct worker_shared *shared;
    struct snapshot *snapshot; /* a reference */
    struct event_base *base;
    struct mailbox mailbox;
    struct relay_resources resources;
    struct sessions_scan scan;
    struct log_ring *ring;
    struct listener *listeners; /* the worker's own sockets */
    unsigned listener_count;
    struct event *resume_event; /* timer: looks at paused listeners, at resume_ms */
    int64_t resume_ms;
    struct event *beat_event; /* timer: shows that the loop turns */
    struct accept_counters accept_counters;
    struct log_limit accept_log;
    struct log_limit rejection_log;
    struct list held; /* refused connections that are held unread: see worker/held.h */
    _Atomic int64_t beat_ms;
    pthread_t thread;
    bool is_started;
    _Atomic bool has_stopped_accepting;              /* its listening sockets are closed */
    _Atomic bool has_ended;                          /* the thread does nothing more */
    _Alignas(CACHE_LINE_BYTES) _Atomic int sessions; /* places taken on this worker */
};

/* Begins a scan; one that is still under way is given up (nobody waits for it any more). Takes over
   the reference. */
void sessions_scan_start(struct worker *worker, struct sessions_query *query);
void sessions_scan_stop(struct worker *worker);

#endif
