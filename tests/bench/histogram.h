/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.h - counts of durations in log-linear buckets.
 *
 * Each power of two is divided into 128 equal buckets, so a percentile is wrong by less than
 * 0.8 % of its value whatever that value is. Recording is one addition and never allocates.
 */
#ifndef CULVERT_BENCH_HISTOGRAM_H
#define CULVERT_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_BITS = 7,    /* log2 of the buckets per power of two */
    HISTOGRAM_POWERS = 34, /* the longest duration told apart is 2^40 ns, 18 minutes */
    HISTOGRAM_BUCKETS = (HISTOGRAM_POWERS + 1) << HISTOGRAM_BITS,
};

/* A zeroed one is empty. */
struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t max_ns;
};

void histogram_record(struct histogram *histogram, uint64_t duration_ns);

/* The duration that `share` (0 to 1) of the records do not exceed; 0 while empty. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);

#endif
