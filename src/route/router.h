/* SPDX-License-Identifier: Apache-2.0 */
/*
 * router.h - which pool serves a client of one listener.
 *
 * Made with the snapshot, read-only afterwards but for the names of an sni_map. A client is known
 * by its address and, where the listener looks at the ClientHello, by the name it asks for and the
 * protocols it offers. All keys of a route must match; of the routes that match, the most specific
 * wins:
 *
 *   exact name  >  wildcard of one label  >  `-` (no name asked for)  >  any name
 *   then        a protocol  >  any protocol
 *   then        the longest source prefix  >  any source
 *
 * Where no route of a name matches, those of less specific names are tried. Of several protocols
 * that a client offers and routes ask for, the one with the longest source prefix wins, then the
 * client's own order.
 *
 * A name is looked up in O(its length), however many names there are; source prefixes live in a
 * binary trie per address family.
 */
#ifndef CULVERT_ROUTE_ROUTER_H
#define CULVERT_ROUTE_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"
#include "net/addr.h"
#include "tls/tls_profile.h"
#include "pool/pool.h"
#include "route/name_map.h"

enum route_action { ROUTE_RELAY, ROUTE_REJECT };

struct route {
    char *name;
    char *description;
    enum route_action action;
    struct pool *pool; /* borrowed from the snapshot; NULL with ROUTE_REJECT */
    bool has_tls;      /* `tls` of the route counts, not the listener's */
    struct tls_profile
        *tls; /* server role, borrowed from the snapshot; NULL: relayed undecrypted */
};

/* The keys of one alternative of a route; NULL = any. */
struct route_match {
    const char *sni;             /* "api.example.com", "*.example.com", "-"; any case */
    const char *alpn;            /* one protocol */
    const struct prefix *source; /* of the client's address */
};

/* What is known of a client. */
struct route_client {
    const struct addr *addr;
    bool has_hello;   /* a ClientHello was read: `sni` and `alpn` tell something */
    const char *sni;  /* lower case, without a trailing dot; "": the client asks for no name */
    const char *alpn; /* offered protocols as on the wire (RFC 7301): length byte, then the name */
    size_t alpn_size;
};

struct router;

/* `fallback` (may be NULL) serves whom no route matches. NULL without memory. */
struct router *router_create(struct pool *fallback);
void router_destroy(struct router *router);

/*
 * Adds one alternative of a route. False when the very same keys are taken already (`*other` is the
 * route that has them) or without memory (`*other` = NULL).
 */
bool router_add(struct router *router, const struct route_match *match, const struct route *route,
                const struct route **other) CULVERT_MUST_CHECK;

/* Whether any route asks for a name or a protocol, so that the ClientHello must be read. */
bool router_needs_hello(const struct router *router);

/*
 * Makes `fresh` the names of the listener's sni_map from now on: each is as a route that has only
 * that name, behind [route] sections of the same name. Takes it over. The names replaced are given
 * back, NULL for the first publishing: each of `workers` threads owes one name_map_leave() for
 * them. The control thread's.
 */
struct name_map *router_publish_names(struct router *router, struct name_map *fresh, int workers);

/* Frees replaced names that no worker looks at. The control thread's. */
void router_reclaim_names(struct router *router);

/* Which names the rule is about that decided. */
enum route_by {
    ROUTE_BY_FALLBACK,
    ROUTE_BY_ANY_NAME,
    ROUTE_BY_NO_NAME,
    ROUTE_BY_WILDCARD,
    ROUTE_BY_NAME
};

struct route_choice {
    const struct route *route; /* NULL: the listener's own pool, or its sni_map */
    struct pool *pool;         /* NULL: refuse the client, reason no_route or denied-by-route */
    enum route_by by;
};

/* Unix clients match only alternatives without a source. */
struct route_choice router_choose(const struct router *router, const struct route_client *client);

#endif
