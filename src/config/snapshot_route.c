/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_route.c - a [route] has lists of names, protocols and prefixes; a router has
 * alternatives with one of each.
 */
#include "config/snapshot_route.h"

#include <stddef.h>

#include "route/router.h"

/* What a list of a route says about clients: `count` alternatives, one of them NULL if it is not
   set. */
static const char *alternative(const struct setting *setting, size_t index)
{
    return setting->count == 0 ? NULL : setting->items[index].text;
}

static bool add_alternative(struct listener_config *listener, const struct route *route,
                            const struct route_match *match)
{
    const struct route *other;

    /* Equal keys of one route are no error. */
    return router_add(listener->router, match, route, &other) || other != NULL;
}

static bool add_sources(const struct section *section, struct listener_config *listener,
                        const struct route *route, struct route_match *match)
{
    const struct setting *source = section_value(section, ROUTE_SOURCE);

    match->source = NULL;
    if (source->count == 0)
        return add_alternative(listener, route, match);
    for (size_t i = 0; i < source->count; i++) {
        const struct item *item = &source->items[i];

        for (size_t k = 0; k < item->prefixes.count; k++) {
            match->source = &item->prefixes.items[k];
            if (!add_alternative(listener, route, match))
                return false;
        }
    }
    return true;
}

bool snapshot_route_clients(const struct section *section, struct listener_config *listener,
                            const struct route *route)
{
    const struct setting *sni = section_value(section, ROUTE_SNI);
    const struct setting *alpn = section_value(section, ROUTE_ALPN);
    size_t names = sni->count > 0 ? sni->count : 1;
    size_t protocols = alpn->count > 0 ? alpn->count : 1;

    for (size_t i = 0; i < names; i++) {
        for (size_t k = 0; k < protocols; k++) {
            struct route_match match = {.sni = alternative(sni, i), .alpn = alternative(alpn, k)};

            if (!add_sources(section, listener, route, &match))
                return false;
        }
    }
    return true;
}
