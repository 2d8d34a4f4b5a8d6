/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay_counters.c - allocating a worker's shard, and sorting times into buckets.
 */
#include "relay/relay_counters.h"

#include <stdlib.h>
#include <string.h>

const int64_t latency_bucket_us[LATENCY_BUCKETS] = {
    100,   250,    500,    1000,   2500,    5000,    10000,   25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000,
};

const int64_t duration_bucket_us[DURATION_BUCKETS] = {
    10000, 100000, 1000000, 10000000, 60000000, 600000000, 3600000000, 43200000000,
};

/* The first bucket whose upper bound is not below `us`; `count` when there is none. */
static size_t bucket_of(const int64_t *bounds, size_t count, int64_t us)
{
    size_t i = 0;

    while (i < count && us > bounds[i])
        i++;
    return i;
}

void latency_observe(struct latency_histogram *histogram, int64_t us)
{
    if (us < 0)
        us = 0;
    counter_add(&histogram->bucket[bucket_of(latency_bucket_us, LATENCY_BUCKETS, us)], 1);
    counter_add(&histogram->sum_us, (uint64_t)us);
}

void duration_observe(struct duration_histogram *histogram, int64_t us)
{
    if (us < 0)
        us = 0;
    counter_add(&histogram->bucket[bucket_of(duration_bucket_us, DURATION_BUCKETS, us)], 1);
    counter_add(&histogram->sum_us, (uint64_t)us);
}

const char *rejection_word(enum rejection rejection)
{
    switch (rejection) {
    case REJECTED_LIMIT:
        return "limit";
    case REJECTED_LIMIT_IP:
        return "limit_ip";
    case REJECTED_RATE:
        return "rate";
    case REJECTED_RATE_IP:
        return "rate_ip";
    case REJECTED_DENIED:
        return "denied";
    case REJECTED_COUNT:
        break;
    }
    return "";
}

/* Whole cache lines, so that no two workers write into the same one. */
static void *allocate_shard(size_t count, size_t size)
{
    size_t bytes = count * size;
    void *memory;

    bytes = (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    if (bytes == 0)
        bytes = CACHE_LINE_BYTES;
    memory = aligned_alloc(CACHE_LINE_BYTES, bytes);
    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

bool relay_counters_init(struct relay_counters *counters, const struct snapshot *snapshot)
{
    memset(counters, 0, sizeof(*counters));
    counters->listeners = allocate_shard(snapshot->listener_count, sizeof(*counters->listeners));
    counters->pools = allocate_shard(snapshot->pool_count, sizeof(*counters->pools));
    counters->tallies = allocate_shard(snapshot->tally_count, sizeof(*counters->tallies));
    if (counters->listeners == NULL || counters->pools == NULL || counters->tallies == NULL) {
        relay_counters_release(counters);
        return false;
    }
    return true;
}

/* The shards' structs consist of counters alone, so they add up without a list of their fields. */
static void add_all(void *sum, const void *shard, size_t bytes)
{
    struct counter *sums = sum;
    const struct counter *counters = shard;

    for (size_t i = 0; i < bytes / sizeof(struct counter); i++)
        counter_add(&sums[i], counter_get(&counters[i]));
}

void relay_counters_add_ends(struct relay_counters *sum, const struct relay_counters *shard,
                             const struct snapshot *snapshot)
{
    add_all(sum->tallies, shard->tallies, snapshot->tally_count * sizeof(*sum->tallies));
}

void relay_counters_add_rest(struct relay_counters *sum, const struct relay_counters *shard,
                             const struct snapshot *snapshot)
{
    add_all(sum->listeners, shard->listeners, snapshot->listener_count * sizeof(*sum->listeners));
    add_all(sum->pools, shard->pools, snapshot->pool_count * sizeof(*sum->pools));
    counter_add(&sum->copied_bytes, counter_get(&shard->copied_bytes));
    counter_add(&sum->spliced_bytes, counter_get(&shard->spliced_bytes));
    counter_add(&sum->tls_bytes, counter_get(&shard->tls_bytes));
    counter_add(&sum->wakeups, counter_get(&shard->wakeups));
    counter_add(&sum->buffer_waits, counter_get(&shard->buffer_waits));
}

void relay_counters_release(struct relay_counters *counters)
{
    free(counters->listeners);
    free(counters->pools);
    free(counters->tallies);
    memset(counters, 0, sizeof(*counters));
}
