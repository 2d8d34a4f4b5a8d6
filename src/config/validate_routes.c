/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_routes.c - a table of (listener, prefix) finds equal routes, however many there are.
 */
#include "config/validate_routes.h"

#include <stdlib.h>
#include <string.h>

/* A client's set at a listener; `prefix` is zeroed where every client is meant. */
struct claim_key {
    unsigned listener;
    struct prefix prefix;
};

struct claim {
    struct claim_key key;
    const struct section *route;
    struct origin origin;
    UT_hash_handle hh;
};

struct claims {
    struct claim *table;
    const struct settings *settings;
    struct diagnostics *diagnostics;
};

static void claim_add(struct claims *claims, const struct section *route,
                      const struct section *listener, const struct prefix *prefix,
                      const struct origin *origin)
{
    struct claim *claim = calloc(1, sizeof(*claim));
    struct claim *other;
    char where[SECTION_TEXT_BYTES];
    char place[512];

    if (claim == NULL) {
        (void)diagnostics_out_of_memory(claims->diagnostics);
        return;
    }
    claim->route = route;
    claim->origin = *origin;
    claim->key.listener = listener->number;
    if (prefix != NULL) {
        claim->key.prefix.family = prefix->family;
        claim->key.prefix.bits = prefix->bits;
        claim->key.prefix.v6 = prefix->v6;
    }
    HASH_FIND(hh, claims->table, &claim->key, sizeof(claim->key), other);
    if (other == NULL) {
        HASH_ADD(hh, claims->table, key, sizeof(claim->key), claim);
        if (claim->hh.tbl != NULL)
            return;
        (void)diagnostics_out_of_memory(claims->diagnostics);
    } else {
        diagnostics_error(claims->diagnostics, TOPIC_ROUTE, origin,
                          "%s takes these clients of listener '%s' already (%s)",
                          section_text(other->route, where, sizeof(where)), listener->name,
                          origin_text(&other->origin, place, sizeof(place)));
    }
    free(claim);
}

/* The address families a listener's clients can have. */
struct families {
    bool has_v4;
    bool has_v6;
};

static struct families families_of(const struct settings *settings, const struct section *listener)
{
    const struct setting *bind = section_value(listener, LISTEN_BIND);
    bool is_v6_only = settings_number(settings, listener, LISTEN_V6_ONLY) != 0;
    struct families families = {0};

    for (size_t i = 0; i < bind->count; i++) {
        const struct endpoint *endpoint = bind->items[i].endpoint;

        if (endpoint->kind == ENDPOINT_HOST) {
            families.has_v4 = families.has_v6 = true;
        } else if (endpoint->addr.family == AF_INET) {
            families.has_v4 = true;
        } else if (endpoint->addr.family == AF_INET6) {
            families.has_v6 = true;
            families.has_v4 |= IN6_IS_ADDR_UNSPECIFIED(&endpoint->addr.v6) && !is_v6_only;
        }
    }
    return families;
}

static void check_item(struct claims *claims, const struct section *route,
                       const struct section *listener, const struct item *item)
{
    struct families families = families_of(claims->settings, listener);
    bool is_dead = item->prefix_count > 0;

    for (size_t i = 0; i < item->prefix_count; i++) {
        const struct prefix *prefix = &item->prefixes[i];

        claim_add(claims, route, listener, prefix, &item->origin);
        is_dead &= prefix->family == AF_INET ? !families.has_v4 : !families.has_v6;
    }
    if (is_dead && section_value(listener, LISTEN_BIND)->count > 0)
        diagnostics_error(claims->diagnostics, TOPIC_ROUTE, &item->origin,
                          "no client of listener '%s' can come from '%s': it binds no address of "
                          "that family",
                          listener->name, item->text);
}

static void check_route(struct claims *claims, const struct section *route,
                        const struct section *listener)
{
    const struct setting *source = section_value(route, ROUTE_SOURCE);
    const struct setting *pool = section_value(listener, LISTEN_POOL);
    const struct setting *server = section_value(listener, LISTEN_SERVER);
    char where[SECTION_TEXT_BYTES];

    for (size_t i = 0; i < source->count; i++)
        check_item(claims, route, listener, &source->items[i]);
    /* One that was set to nonsense has been reported as that. */
    if (source->count > 0 || (source->is_set && claims->diagnostics->errors > 0))
        return;
    claim_add(claims, route, listener, NULL, &route->origin);
    if (pool->count > 0 || server->count > 0)
        diagnostics_warning(claims->diagnostics, TOPIC_ROUTE,
                            pool->count > 0 ? &pool->origin : &server->origin,
                            "%s takes every client of listener '%s', so this is never used",
                            section_text(route, where, sizeof(where)), listener->name);
}

void validate_routes(const struct settings *settings, struct diagnostics *diagnostics)
{
    struct claims claims = {.settings = settings, .diagnostics = diagnostics};
    const struct section *route = settings_first(settings, SECTION_ROUTE);
    struct claim *claim;
    struct claim *next;

    for (; route != NULL; route = section_next(route)) {
        const struct setting *listen = section_value(route, ROUTE_LISTEN);

        for (size_t i = 0; i < listen->count; i++) {
            const struct section *listener =
                settings_find(settings, SECTION_LISTEN, listen->items[i].text);

            if (listener != NULL)
                check_route(&claims, route, listener);
        }
    }
    HASH_ITER(hh, claims.table, claim, next)
    {
        HASH_DEL(claims.table, claim);
        free(claim);
    }
}
