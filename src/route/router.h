/* SPDX-License-Identifier: Apache-2.0 */
/*
 * router.h - which pool serves a client of one listener.
 *
 * Made with the snapshot, read-only afterwards. Source prefixes live in a binary trie per address
 * family: a look-up costs one step per address bit at most, however many prefixes there are.
 */
#ifndef CULVERT_ROUTE_ROUTER_H
#define CULVERT_ROUTE_ROUTER_H

#include <stdbool.h>

#include "core/base.h"
#include "net/addr.h"
#include "pool/pool.h"

enum route_action { ROUTE_RELAY, ROUTE_REJECT };

struct route {
    char *name;
    char *description;
    enum route_action action;
    struct pool *pool; /* borrowed from the snapshot; NULL with ROUTE_REJECT */
};

struct router;

/* `fallback` (may be NULL) serves whom no route matches. NULL without memory. */
struct router *router_create(struct pool *fallback);
void router_destroy(struct router *router);

/*
 * Adds a route for a source prefix; `prefix` NULL = every source. False when that very prefix is
 * taken already (`*other` is the route that has it) or without memory (`*other` = NULL).
 */
bool router_add_source(struct router *router, const struct prefix *prefix,
                       const struct route *route, const struct route **other) CULVERT_MUST_CHECK;

struct route_choice {
    const struct route *route; /* NULL: the listener's own pool */
    struct pool *pool;         /* NULL: refuse the client, reason no_route or denied-by-route */
};

/* The longest matching source prefix wins. Unix clients match only `prefix` NULL routes. */
struct route_choice router_choose(const struct router *router, const struct addr *client);

#endif
