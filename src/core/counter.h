/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counter.h - a number that one thread writes and any thread reads.
 *
 * One writer, many readers: no locked instruction on the data path and no torn reads. Each worker
 * owns a shard of every counter; who reports adds the shards up.
 */
#ifndef CULVERT_CORE_COUNTER_H
#define CULVERT_CORE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

struct counter {
    _Atomic uint64_t value;
};

/* Only the owning thread may call this. */
static inline void counter_add(struct counter *counter, uint64_t amount)
{
    uint64_t now = atomic_load_explicit(&counter->value, memory_order_relaxed);

    atomic_store_explicit(&counter->value, now + amount, memory_order_relaxed);
}

/* Only the owning thread may call this; for gauges. */
static inline void counter_subtract(struct counter *counter, uint64_t amount)
{
    uint64_t now = atomic_load_explicit(&counter->value, memory_order_relaxed);

    atomic_store_explicit(&counter->value, now - amount, memory_order_relaxed);
}

/* Any thread. */
static inline uint64_t counter_get(const struct counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

#endif
