/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h - for tests: upper bounds of times. A machine that others load needs longer for the same;
 * what a test demands to last long is never scaled.
 */
#ifndef CULVERT_TEST_CORE_LOAD_H
#define CULVERT_TEST_CORE_LOAD_H

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* `ms`, and up to five times as much by how many processes wait for each processor. */
static inline int64_t load_limit_ms(int64_t ms)
{
    double waiting = 0;
    double factor;

    if (getloadavg(&waiting, 1) != 1)
        return ms;
    factor = waiting / (double)sysconf(_SC_NPROCESSORS_ONLN) / 1.5;
    factor = factor < 1 ? 1 : factor > 5 ? 5 : factor;
    return (int64_t)((double)ms * factor);
}

#endif
