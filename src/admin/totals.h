/* SPDX-License-Identifier: Apache-2.0 */
/*
 * totals.h - the counters and gauges of all workers, added up at one moment.
 *
 * The moment is not exact: workers go on counting meanwhile.
 */
#ifndef CULVERT_ADMIN_TOTALS_H
#define CULVERT_ADMIN_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "relay/relay_counters.h"
#include "worker/worker.h"

struct admin_view;

struct totals {
    struct relay_counters counters;
    struct worker_gauges gauges; /* loop_beat_ms: the oldest */
};

/* False without memory. */
bool totals_init(struct totals *totals, const struct admin_view *view) CULVERT_MUST_CHECK;
void totals_release(struct totals *totals);

/* The sum of a listener's tallies. */
struct listener_totals {
    uint64_t closed[CLOSE_REASON_COUNT];
    uint64_t upload_bytes;
    uint64_t download_bytes;
};
void totals_of_listener(const struct totals *totals, const struct listener_config *listener,
                        struct listener_totals *sum);

#endif
