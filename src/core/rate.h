/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rate.h - token buckets: so many a second, and some at once.
 *
 * A bucket is one number: the time up to which what was taken is paid for. A zeroed one is full.
 * Times are nanoseconds of the monotonic clock, and parameters.
 */
#ifndef CULVERT_CORE_RATE_H
#define CULVERT_CORE_RATE_H

#include <stdatomic.h>
#include <stdint.h>

/* 8 GiB. */
#define RATE_MAX (INT64_C(1) << 33)

struct rate {
    int64_t per_s; /* 0: no limit; at most RATE_MAX */
    int64_t burst; /* at once, after a rest; at least 1 */
};

/* How many may be taken now; negative: more was taken than there was. With a limit only. */
int64_t rate_available(const struct rate *rate, int64_t paid_until_ns, int64_t now_ns);

/* How long until `count`, at most the burst, may be taken: 0 when they may now. */
int64_t rate_wait_ns(const struct rate *rate, int64_t paid_until_ns, int64_t count, int64_t now_ns);

/* What the bucket is once `count` are taken, whether there were so many or not. */
int64_t rate_take(const struct rate *rate, int64_t paid_until_ns, int64_t count, int64_t now_ns);

/* What it is once `count` that were taken are back. */
int64_t rate_return(const struct rate *rate, int64_t paid_until_ns, int64_t count);

/* Takes one from a bucket that threads share. */
void rate_take_shared(const struct rate *rate, _Atomic int64_t *paid_until_ns, int64_t now_ns);

#endif
