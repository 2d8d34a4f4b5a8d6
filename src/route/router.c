/* SPDX-License-Identifier: Apache-2.0 */
/*
 * router.c - rules by name, in each by protocol, in each by source.
 *
 * A look-up goes from the most specific name to any name, and stops where a rule matches.
 */
#include "route/router.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "route/sni_table.h"
#include "route/source_rules.h"

/* The routes that ask for one protocol. */
struct protocol_rules {
    char *name;
    size_t length;
    struct source_rules sources;
};

/* The routes of one name. */
struct sni_rules {
    struct source_rules sources; /* of any protocol */
    struct protocol_rules *protocols;
    size_t protocol_count;
};

struct router {
    struct pool *fallback;
    struct sni_rules every; /* of any name */
    struct sni_entry no_name;
    struct sni_table *names; /* of [route] sections */
    bool needs_hello;
    _Atomic(struct name_map *) map; /* of an sni_map; NULL: there is none */
    struct name_map *retired;       /* replaced ones that workers may look at */
};

/* ---- rules ------------------------------------------------------------------------------------
 */

static void rules_release(struct sni_rules *rules)
{
    for (size_t i = 0; i < rules->protocol_count; i++) {
        source_rules_release(&rules->protocols[i].sources);
        free(rules->protocols[i].name);
    }
    free(rules->protocols);
    source_rules_release(&rules->sources);
}

static void rules_destroy(struct sni_rules *rules)
{
    if (rules == NULL)
        return;
    rules_release(rules);
    free(rules);
}

/* The rules of a protocol, made when there are none; NULL without memory. */
static struct source_rules *rules_of_protocol(struct sni_rules *rules, const char *name)
{
    struct protocol_rules *protocols;
    struct protocol_rules *last;

    for (size_t i = 0; i < rules->protocol_count; i++) {
        if (strcmp(rules->protocols[i].name, name) == 0)
            return &rules->protocols[i].sources;
    }
    protocols = reallocarray(rules->protocols, rules->protocol_count + 1, sizeof(*protocols));
    if (protocols == NULL)
        return NULL;
    rules->protocols = protocols;
    last = &protocols[rules->protocol_count];
    *last = (struct protocol_rules){.name = strdup(name), .length = strlen(name)};
    if (last->name == NULL)
        return NULL;
    rules->protocol_count++;
    return &last->sources;
}

/* Of the protocols that the client offers: the longest prefix, then the client's own order. */
static const struct route *find_by_protocol(const struct sni_rules *rules,
                                            const struct route_client *client)
{
    const struct route *best = NULL;
    int most_bits = -1;
    size_t length;

    for (size_t at = 0; at < client->alpn_size; at += 1 + length) {
        length = (unsigned char)client->alpn[at];
        if (length > client->alpn_size - at - 1)
            break;
        for (size_t i = 0; i < rules->protocol_count; i++) {
            const struct protocol_rules *protocol = &rules->protocols[i];
            const struct route *route;
            int bits;

            if (protocol->length != length ||
                memcmp(protocol->name, client->alpn + at + 1, length) != 0)
                continue;
            route = source_rules_find(&protocol->sources, client->addr, &bits);
            if (route != NULL && (best == NULL || bits > most_bits)) {
                best = route;
                most_bits = bits;
            }
        }
    }
    return best;
}

static const struct route *rules_find(const struct sni_rules *rules,
                                      const struct route_client *client)
{
    const struct route *route = NULL;
    int bits;

    if (client->has_hello && rules->protocol_count > 0)
        route = find_by_protocol(rules, client);
    return route != NULL ? route : source_rules_find(&rules->sources, client->addr, &bits);
}

/* ---- the router -------------------------------------------------------------------------------
 */

struct router *router_create(struct pool *fallback)
{
    struct router *router = calloc(1, sizeof(*router));

    if (router == NULL)
        return NULL;
    router->fallback = fallback;
    router->names = sni_table_create();
    if (router->names == NULL) {
        free(router);
        return NULL;
    }
    return router;
}

void router_destroy(struct router *router)
{
    if (router == NULL)
        return;
    for (size_t i = 0; i < sni_table_count(router->names); i++)
        rules_destroy(sni_table_entry(router->names, i)->rules);
    sni_table_destroy(router->names);
    rules_destroy(router->no_name.rules);
    rules_release(&router->every);
    name_map_destroy(atomic_load_explicit(&router->map, memory_order_relaxed));
    name_map_destroy_list(&router->retired);
    free(router);
}

static struct sni_entry *entry_of(struct router *router, const char *sni)
{
    return strcmp(sni, "-") == 0 ? &router->no_name : sni_table_at(router->names, sni);
}

static struct sni_rules *rules_of_name(struct router *router, const char *sni)
{
    struct sni_entry *entry;

    if (sni == NULL)
        return &router->every;
    entry = entry_of(router, sni);
    if (entry != NULL && entry->rules == NULL)
        entry->rules = calloc(1, sizeof(*entry->rules));
    return entry == NULL ? NULL : entry->rules;
}

bool router_add(struct router *router, const struct route_match *match, const struct route *route,
                const struct route **other)
{
    struct sni_rules *rules = rules_of_name(router, match->sni);
    struct source_rules *sources;
    const struct route **place;

    *other = NULL;
    if (rules == NULL)
        return false;
    sources = match->alpn == NULL ? &rules->sources : rules_of_protocol(rules, match->alpn);
    if (sources == NULL)
        return false;
    place = source_rules_at(sources, match->source);
    if (place == NULL)
        return false;
    if (*place != NULL) {
        *other = *place;
        return false;
    }
    *place = route;
    router->needs_hello |= match->sni != NULL || match->alpn != NULL;
    return true;
}

bool router_needs_hello(const struct router *router)
{
    return router->needs_hello;
}

struct name_map *router_publish_names(struct router *router, struct name_map *fresh, int workers)
{
    /* Whoever loads the pointer sees what it points to. */
    struct name_map *old = atomic_exchange_explicit(&router->map, fresh, memory_order_acq_rel);

    router->needs_hello |= old == NULL; /* the first one is there before any worker */
    if (old != NULL)
        name_map_retire(old, workers, &router->retired);
    return old;
}

void router_reclaim_names(struct router *router)
{
    name_map_reclaim(&router->retired);
}

/* What the routes of a name, and behind them a line of the map, say of a client; false: nothing. */
static bool choose_by(const struct sni_entry *entry, struct pool *mapped, enum route_by by,
                      const struct route_client *client, struct route_choice *choice)
{
    const struct route *route = NULL;

    if (entry != NULL && entry->rules != NULL)
        route = rules_find(entry->rules, client);
    *choice = (struct route_choice){
        .route = route, .pool = route == NULL ? mapped : route->pool, .by = by};
    return route != NULL || mapped != NULL;
}

static bool choose_by_name(const struct router *router, const struct route_client *client,
                           struct route_choice *choice)
{
    const struct name_map *map = atomic_load_explicit(&router->map, memory_order_acquire);
    const char *name = client->sni;

    if (name[0] == '\0')
        return choose_by(&router->no_name, NULL, ROUTE_BY_NO_NAME, client, choice);
    return choose_by(sni_table_find(router->names, name),
                     map == NULL ? NULL : name_map_exact(map, name), ROUTE_BY_NAME, client,
                     choice) ||
           choose_by(sni_table_find_wildcard(router->names, name),
                     map == NULL ? NULL : name_map_wildcard(map, name), ROUTE_BY_WILDCARD, client,
                     choice);
}

struct route_choice router_choose(const struct router *router, const struct route_client *client)
{
    struct route_choice choice = {.route = NULL};

    if (client->has_hello && choose_by_name(router, client, &choice))
        return choice;
    choice.route = rules_find(&router->every, client);
    choice.pool = choice.route == NULL ? router->fallback : choice.route->pool;
    choice.by = choice.route == NULL ? ROUTE_BY_FALLBACK : ROUTE_BY_ANY_NAME;
    return choice;
}
