/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probes.c - what load balancers, orchestrators and watchdogs ask.
 */
#include "admin/probes.h"

#include <stdio.h>

#include "core/clock.h"
#include "worker/sessions_query.h"
#include "worker/worker.h"
#include "admin/http_api.h"
#include "admin/sessions_view.h"

/* A loop that has not turned for longer is asked whether it still does. */
#define BEAT_MS 5000

static bool all_beat(const struct worker_shared *shared, int64_t now_ms)
{
    for (unsigned i = 0; i < shared->worker_count; i++) {
        struct worker_gauges gauges;

        worker_read_gauges(shared->workers[i], &gauges);
        if (now_ms - gauges.loop_beat_ms > BEAT_MS)
            return false;
    }
    return true;
}

/* The first worker that does not answer a message, or -1. A loop without anything to do sleeps, so
   an old beat alone says nothing. */
static int find_silent(const struct worker_shared *shared)
{
    const struct sessions_filter nothing = {.id = UINT64_MAX, .phase = -1};
    struct sessions_query *query = sessions_view_ask(shared, &nothing, 0, NULL);
    int silent = -1;

    for (unsigned i = 0; query != NULL && i < query->part_count; i++) {
        if (!atomic_load_explicit(&query->parts[i].is_finished, memory_order_acquire))
            silent = (int)i;
    }
    sessions_query_unref(query);
    return silent;
}

void probe_health(const struct question *question, struct answer *answer)
{
    const struct worker_shared *shared = question->view->shared;
    char why[64];
    int silent = all_beat(shared, clock_now_ms()) ? -1 : find_silent(shared);

    if (silent < 0) {
        answer_json(answer, 200, json_pack("{s:b}", "live", 1));
        return;
    }
    snprintf(why, sizeof(why), "worker %d does not answer", silent);
    answer_json(answer, 503, json_pack("{s:b, s:s}", "live", 0, "why", why));
}

void probe_ready(const struct question *question, struct answer *answer)
{
    const struct admin_view *view = question->view;

    if (view->is_ready && !view->is_draining)
        answer_json(answer, 200, json_pack("{s:b}", "ready", 1));
    else
        answer_json(answer, 503,
                    json_pack("{s:b, s:s}", "ready", 0, "why",
                              view->is_draining ? "draining" : "starting"));
}
