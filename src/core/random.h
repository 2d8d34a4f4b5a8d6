/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random.h - numbers for spreading load, never for secrets.
 */
#ifndef CULVERT_CORE_RANDOM_H
#define CULVERT_CORE_RANDOM_H

#include <stdint.h>

/* The next number of the generator (xorshift64, Marsaglia 2003), whose state is the caller's; its
   upper bits are the better ones. A state of 0 would stay 0: a fixed one takes its place. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state == 0 ? UINT64_C(0x9e3779b97f4a7c15) : *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x;
}

#endif
