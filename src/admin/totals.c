/* SPDX-License-Identifier: Apache-2.0 */
/*
 * totals.c - adding up what the workers counted.
 */
#include "admin/totals.h"

#include <string.h>

#include "admin/http_api.h"

static void add_gauges(struct worker_gauges *sum, const struct worker_gauges *gauges)
{
    sum->pipes_lent += gauges->pipes_lent;
    sum->pipes_idle += gauges->pipes_idle;
    sum->pipes_denied += gauges->pipes_denied;
    sum->buffer_bytes += gauges->buffer_bytes;
    for (size_t i = 0; i < ARRAY_LENGTH(sum->accept_errors); i++)
        sum->accept_errors[i] += gauges->accept_errors[i];
    sum->accept_errors_other += gauges->accept_errors_other;
    if (gauges->loop_beat_ms < sum->loop_beat_ms)
        sum->loop_beat_ms = gauges->loop_beat_ms;
}

bool totals_init(struct totals *totals, const struct admin_view *view)
{
    const struct worker_shared *shared = view->shared;

    memset(&totals->gauges, 0, sizeof(totals->gauges));
    totals->gauges.loop_beat_ms = INT64_MAX;
    if (!relay_counters_init(&totals->counters, view->snapshot))
        return false;
    for (unsigned i = 0; i < shared->worker_count; i++)
        relay_counters_add_ends(&totals->counters, worker_counters(shared->workers[i]),
                                view->snapshot);
    for (unsigned i = 0; i < shared->worker_count; i++) {
        struct worker_gauges gauges;

        relay_counters_add_rest(&totals->counters, worker_counters(shared->workers[i]),
                                view->snapshot);
        worker_read_gauges(shared->workers[i], &gauges);
        add_gauges(&totals->gauges, &gauges);
    }
    return true;
}

void totals_release(struct totals *totals)
{
    relay_counters_release(&totals->counters);
}

void totals_of_listener(const struct totals *totals, const struct listener_config *listener,
                        struct listener_totals *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (unsigned i = 0; i < listener->tally_count; i++) {
        const struct tally_counters *tally = &totals->counters.tallies[listener->first_tally + i];

        for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++)
            sum->closed[reason] += counter_get(&tally->closed[reason]);
        sum->upload_bytes += counter_get(&tally->upload_bytes);
        sum->download_bytes += counter_get(&tally->download_bytes);
    }
}
