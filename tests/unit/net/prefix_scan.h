/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prefix_scan.h - whether one prefix contains an address, bit by bit as it is written: what tables
 * of prefixes are held against.
 */
#ifndef CULVERT_TESTS_NET_PREFIX_SCAN_H
#define CULVERT_TESTS_NET_PREFIX_SCAN_H

#include <stdbool.h>
#include <string.h>

#include "net/addr.h"

__attribute__((unused)) static bool prefix_contains(const struct prefix *prefix,
                                                    const struct addr *addr)
{
    const unsigned char *wanted = (const unsigned char *)&prefix->v6;
    const unsigned char *bytes = (const unsigned char *)&addr->v6;
    unsigned whole = prefix->bits / 8;
    unsigned rest = prefix->bits % 8;

    if (prefix->family != addr->family)
        return false;
    if (memcmp(wanted, bytes, whole) != 0)
        return false;
    return rest == 0 || ((wanted[whole] ^ bytes[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

#endif
