/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions_view.h - live sessions as JSON, and ending one of them.
 */
#ifndef CULVERT_ADMIN_SESSIONS_VIEW_H
#define CULVERT_ADMIN_SESSIONS_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "config/snapshot.h"
#include "worker/sessions_query.h"
#include "worker/worker.h"
#include "admin/exchange.h"

/* GET /api/v1/sessions?listener=&pool=&server=&phase=&limit= */
void sessions_view_handle_list(const struct question *question, struct answer *answer);

/* GET /api/v1/sessions/ID */
void sessions_view_handle_one(const struct question *question, struct answer *answer);

/* DELETE /api/v1/sessions/ID: 200 {"killed":1} */
void sessions_view_handle_kill(const struct question *question, struct answer *answer);

/*
 * Asks all workers and waits at most 200 ms. The caller drops the reference; NULL without memory.
 * `*is_complete` (may be NULL) says whether all have answered. Only the rows and totals of
 * finished parts may be read.
 */
struct sessions_query *sessions_view_ask(const struct worker_shared *shared,
                                         const struct sessions_filter *filter, size_t limit,
                                         bool *is_complete);

/* Reads the filter and the limit (which comes in as the most allowed) from a request's query; false
   with the answer set. */
bool sessions_view_parse(const struct snapshot *snapshot, const struct evkeyvalq *query,
                         struct sessions_filter *filter, size_t *limit, struct answer *answer);

#endif
