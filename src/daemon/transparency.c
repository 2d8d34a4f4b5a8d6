/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transparency.c - asking the kernel at the start instead of at the first session.
 */
#include "daemon/transparency.h"

#include <stddef.h>
#include <sysexits.h>

#include "net/source_address.h"

static const struct pool *find_pool(const struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->pool_count; i++) {
        if (snapshot->pools[i].options.is_transparent)
            return &snapshot->pools[i];
    }
    return NULL;
}

bool transparency_is_wanted(const struct snapshot *snapshot)
{
    return find_pool(snapshot) != NULL;
}

bool transparency_check(const struct snapshot *snapshot, struct error *error)
{
    const struct pool *pool = find_pool(snapshot);

    return pool == NULL || source_address_may_be_any() ||
           error_set(error, EX_NOPERM,
                     "[pool %s] transparent = yes needs the capability CAP_NET_ADMIN "
                     "(AmbientCapabilities= in systemd, --cap-add in docker)",
                     pool->name);
}
