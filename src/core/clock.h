/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - the three clocks.
 *
 * Timers and deadlines use milliseconds of the coarse monotonic clock (a 4 ms step, no system
 * call). Reported latencies use microseconds of the fine monotonic clock, which may cost a system
 * call on some machines. The wall clock is for log records only (clock_gettime(2)).
 */
#ifndef CULVERT_CORE_CLOCK_H
#define CULVERT_CORE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC_COARSE in milliseconds. */
int64_t clock_now_ms(void);

/* CLOCK_MONOTONIC in microseconds. */
int64_t clock_now_us(void);

/* CLOCK_REALTIME (coarse) in microseconds since 1970. */
int64_t clock_wall_us(void);

#endif
