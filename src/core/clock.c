/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - reading the kernel's clocks.
 */
#include "core/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id, int64_t units_per_second)
{
    struct timespec now;

    clock_gettime(id, &now);
    return now.tv_sec * units_per_second + now.tv_nsec / (1000000000 / units_per_second);
}

int64_t clock_now_ms(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE, 1000);
}

int64_t clock_now_us(void)
{
    return read_clock(CLOCK_MONOTONIC, 1000000);
}

int64_t clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME_COARSE, 1000000);
}
