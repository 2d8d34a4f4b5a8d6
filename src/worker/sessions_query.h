/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions_query.h - a question about live sessions, from the control thread to every worker.
 *
 * The control thread posts the query to each worker and waits at most a deadline. Each worker
 * copies the matching sessions into its own part, a bounded number per loop turn, and says that it
 * has finished. A part that is late is left out. Whoever drops the last reference frees the query,
 * so a late worker writes into memory that still exists.
 */
#ifndef CULVERT_WORKER_SESSIONS_QUERY_H
#define CULVERT_WORKER_SESSIONS_QUERY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "relay/session_record.h"

/* Empty fields match everything. */
struct sessions_filter {
    uint64_t id; /* 0: any */
    char listener[SESSION_NAME_BYTES];
    char pool[SESSION_NAME_BYTES];
    char server[SESSION_NAME_BYTES];
    char sni[SESSION_SNI_BYTES]; /* in lower case */
    int phase;                   /* enum phase, or -1 */
};

struct sessions_part {
    struct session_record *rows; /* room for `limit` rows, made with the query */
    size_t count;
    uint64_t total; /* all that matched, listed or not */
    _Atomic bool is_finished;
};

struct sessions_query {
    _Atomic int references;
    struct sessions_filter filter;
    size_t limit; /* most rows per part */
    unsigned part_count;
    int wake_fd; /* eventfd(2), written by each worker when its part is finished */
    struct sessions_part parts[];
};

/* A query with one reference for the caller; NULL without memory or descriptors. */
struct sessions_query *sessions_query_create(const struct sessions_filter *filter, size_t limit,
                                             unsigned part_count);
void sessions_query_ref(struct sessions_query *query);
void sessions_query_unref(struct sessions_query *query);

/* Worker: its part is complete. Wakes who waits and drops the worker's reference. */
void sessions_query_finish(struct sessions_query *query, unsigned part_number);

/* Waits until all parts are finished or `timeout_ms` have passed: true when all are. */
bool sessions_query_wait(struct sessions_query *query, int timeout_ms);

#endif
