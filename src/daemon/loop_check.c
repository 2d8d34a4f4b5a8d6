/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_check.c - from a server's address to the listener behind it.
 */
#include "daemon/loop_check.h"

#include "net/destination.h"

/* Whom a connect to this address reaches: that to a wildcard goes to the machine itself. */
static struct addr reached_by(const struct addr *server)
{
    struct addr addr = *server;

    if (addr.family == AF_INET && addr.v4.s_addr == htonl(INADDR_ANY))
        addr.v4.s_addr = htonl(INADDR_LOOPBACK);
    else if (addr.family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr.v6))
        addr.v6 = in6addr_loopback;
    return addr;
}

static bool may_go_to(const struct snapshot *snapshot, const struct listener_config *listener,
                      const struct pool *pool)
{
    return snapshot_tally(snapshot, listener, pool) != snapshot_tally(snapshot, listener, NULL);
}

static bool arrives_at(const struct addr *server, const struct addr *bound, bool v6_only)
{
    const struct addr listening[] = {*bound, {.family = AF_INET, .port = bound->port}};
    bool is_for_both = bound->family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&bound->v6) && !v6_only;

    return destination_place(server, listening, is_for_both ? 2 : 1) == DESTINATION_HERE;
}

const struct listener_config *loop_check_find(const struct snapshot *snapshot,
                                              const struct bound_addr *bound, unsigned bound_count,
                                              const struct pool *pool, const struct addr *server)
{
    struct addr addr = reached_by(server);

    for (unsigned i = 0; i < bound_count; i++) {
        const struct listener_config *listener = &snapshot->listeners[bound[i].listener_index];

        if (arrives_at(&addr, &bound[i].addr, listener->listen.v6_only) &&
            may_go_to(snapshot, listener, pool))
            return listener;
    }
    return NULL;
}
