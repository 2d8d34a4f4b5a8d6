/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rate.c - the arithmetic of token buckets.
 *
 * A bucket is full when its time has passed, and empty when its time is a burst ahead of now.
 */
#include "core/rate.h"

#define SECOND_NS INT64_C(1000000000)

static int64_t cost_ns(const struct rate *rate, int64_t count)
{
    /* In two parts: a large count times a second would not fit. */
    return count / rate->per_s * SECOND_NS + count % rate->per_s * SECOND_NS / rate->per_s;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t rate_available(const struct rate *rate, int64_t paid_until_ns, int64_t now_ns)
{
    int64_t owed_ns = later(paid_until_ns, now_ns) - now_ns;
    /* Rounded up: what is owed in part is owed. */
    int64_t owed = owed_ns / SECOND_NS * rate->per_s +
                   (owed_ns % SECOND_NS * rate->per_s + SECOND_NS - 1) / SECOND_NS;

    return rate->burst - owed;
}

int64_t rate_wait_ns(const struct rate *rate, int64_t paid_until_ns, int64_t count, int64_t now_ns)
{
    int64_t ready_ns =
        later(paid_until_ns, now_ns) - cost_ns(rate, rate->burst) + cost_ns(rate, count);

    return ready_ns > now_ns ? ready_ns - now_ns : 0;
}

int64_t rate_take(const struct rate *rate, int64_t paid_until_ns, int64_t count, int64_t now_ns)
{
    return later(paid_until_ns, now_ns) + cost_ns(rate, count);
}

int64_t rate_return(const struct rate *rate, int64_t paid_until_ns, int64_t count)
{
    return paid_until_ns - cost_ns(rate, count);
}

void rate_take_shared(const struct rate *rate, _Atomic int64_t *paid_until_ns, int64_t now_ns)
{
    int64_t before = atomic_load_explicit(paid_until_ns, memory_order_relaxed);

    while (!atomic_compare_exchange_weak_explicit(paid_until_ns, &before,
                                                  rate_take(rate, before, 1, now_ns),
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}
