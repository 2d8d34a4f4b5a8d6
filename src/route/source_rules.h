/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_rules.h - routes by the client's address: the longest prefix wins.
 *
 * Look-ups follow at most one node per bit of the address. A zeroed struct is empty.
 */
#ifndef CULVERT_ROUTE_SOURCE_RULES_H
#define CULVERT_ROUTE_SOURCE_RULES_H

#include "core/base.h"
#include "net/addr.h"

struct route;
struct source_node;

struct source_rules {
    const struct route *every; /* of any client */
    struct source_node *v4;
    struct source_node *v6;
};

/* Frees what the rules keep; they are empty then. */
void source_rules_release(struct source_rules *rules);

/*
 * The place of the route for exactly this prefix (NULL: any client), which is made when there is
 * none; what stands there may be set. NULL without memory.
 */
const struct route **source_rules_at(struct source_rules *rules,
                                     const struct prefix *source) CULVERT_MUST_CHECK;

/*
 * The route of the longest prefix that holds the client, NULL: none does. `*bits` is the prefix's
 * length, -1 for the route of any client. Clients without an IP address have no other.
 */
const struct route *source_rules_find(const struct source_rules *rules, const struct addr *client,
                                      int *bits);

#endif
