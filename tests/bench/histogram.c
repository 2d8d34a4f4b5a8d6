/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.c - counts of durations in log-linear buckets.
 */
#include "histogram.h"

/* Durations below 128 ns have a bucket each; above, the top 8 bits of the value choose. */
static unsigned bucket_of(uint64_t duration_ns)
{
    if (duration_ns < (1u << HISTOGRAM_BITS)) {
        return (unsigned)duration_ns;
    }
    unsigned shift = 63 - (unsigned)__builtin_clzll(duration_ns) - HISTOGRAM_BITS;
    unsigned bucket = ((shift + 1) << HISTOGRAM_BITS) +
                      (unsigned)((duration_ns >> shift) & ((1u << HISTOGRAM_BITS) - 1));
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t highest_in(unsigned bucket)
{
    if (bucket < (1u << HISTOGRAM_BITS)) {
        return bucket;
    }
    unsigned shift = (bucket >> HISTOGRAM_BITS) - 1;
    uint64_t top = (1u << HISTOGRAM_BITS) + (bucket & ((1u << HISTOGRAM_BITS) - 1));
    return ((top + 1) << shift) - 1;
}

void histogram_record(struct histogram *histogram, uint64_t duration_ns)
{
    histogram->buckets[bucket_of(duration_ns)]++;
    histogram->count++;
    if (duration_ns > histogram->max_ns) {
        histogram->max_ns = duration_ns;
    }
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.999999);
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen >= wanted && seen > 0) {
            uint64_t highest = highest_in(bucket);
            return highest < histogram->max_ns ? highest : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}
