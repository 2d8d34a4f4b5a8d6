/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exposition.h - writing metrics: the Prometheus text format 0.0.4 or OpenMetrics 1.0.
 *
 * The two differ in the name of a counter's family, the content type, and the last line. Label
 * values are escaped; names are those of this program and are not.
 */
#ifndef CULVERT_ADMIN_EXPOSITION_H
#define CULVERT_ADMIN_EXPOSITION_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/counter.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };

struct exposition {
    struct evbuffer *out;
    bool is_open_metrics;
    const char *family; /* the one being written, without the suffix of its type */
    enum metric_type type;
};

/* Up to four labels; the first without a name ends the list. */
#define LABELS_MAX 4
struct labels {
    struct {
        const char *name;
        const char *value; /* NULL: "" */
    } pair[LABELS_MAX];
};

/* Whether the Accept header asks for OpenMetrics rather than for text. */
bool exposition_wants_open_metrics(const char *accept);
const char *exposition_content_type(const struct exposition *exposition);

/* Starts a family: HELP and TYPE. `name` is without "_total". */
void exposition_family(struct exposition *exposition, enum metric_type type, const char *name,
                       const char *help);

/* One series of the family; `labels` may be NULL. */
void exposition_count(struct exposition *exposition, const struct labels *labels, uint64_t value);
void exposition_real(struct exposition *exposition, const struct labels *labels, double value);

/* One histogram: buckets of times (not cumulative, one more than there are bounds) and their sum,
   in microseconds. */
void exposition_histogram(struct exposition *exposition, const struct labels *labels,
                          const int64_t *bounds_us, size_t bound_count,
                          const struct counter *buckets, uint64_t sum_us);

/* Ends the answer. */
void exposition_end(struct exposition *exposition);

#endif
