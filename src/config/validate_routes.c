/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_routes.c - a table of (listener, name, protocol, prefix) finds equal routes, however
 * many there are.
 */
#include "config/validate_routes.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"

/* The clients of a listener that one alternative of a route takes. */
struct clients {
    const struct section *listener;
    const char *sni;             /* NULL: whatever they ask for */
    const char *alpn;            /* NULL: whatever they offer */
    const struct prefix *prefix; /* NULL: wherever they come from */
};

struct claim {
    const struct section *route;
    struct origin origin;
    UT_hash_handle hh;
    size_t key_size;
    char key[]; /* claim_key() */
};

struct claims {
    struct claim *table;
    const struct settings *settings;
    struct diagnostics *diagnostics;
};

/* Room for the key of such clients. */
static size_t claim_key_room(const struct clients *clients)
{
    return sizeof(unsigned) + sizeof(struct prefix) + 4 +
           (clients->sni == NULL ? 0 : strlen(clients->sni)) +
           (clients->alpn == NULL ? 0 : strlen(clients->alpn));
}

/* Bytes that are equal where the clients are; returns how many. */
static size_t claim_key(char *key, const struct clients *clients)
{
    struct prefix prefix;
    size_t size = 0;

    memcpy(key, &clients->listener->number, sizeof(unsigned));
    size += sizeof(unsigned);
    memset(&prefix, 0, sizeof(prefix));
    if (clients->prefix != NULL) {
        prefix.family = clients->prefix->family;
        prefix.bits = clients->prefix->bits;
        prefix.v6 = clients->prefix->v6;
    }
    memcpy(key + size, &prefix, sizeof(prefix));
    size += sizeof(prefix);
    key[size++] = clients->sni != NULL;
    if (clients->sni != NULL)
        size += text_fold_name(key + size, clients->sni, strlen(clients->sni)) + 1;
    key[size++] = clients->alpn != NULL;
    if (clients->alpn != NULL) {
        memcpy(key + size, clients->alpn, strlen(clients->alpn));
        size += strlen(clients->alpn);
    }
    return size;
}

static void claim_add(struct claims *claims, const struct section *route,
                      const struct clients *clients, const struct origin *origin)
{
    struct claim *claim = calloc(1, sizeof(*claim) + claim_key_room(clients));
    struct claim *other;
    char where[SECTION_TEXT_BYTES];
    char place[512];

    if (claim == NULL) {
        (void)diagnostics_out_of_memory(claims->diagnostics);
        return;
    }
    claim->route = route;
    claim->origin = *origin;
    claim->key_size = claim_key(claim->key, clients);
    HASH_FIND(hh, claims->table, claim->key, claim->key_size, other);
    if (other == NULL) {
        HASH_ADD_KEYPTR(hh, claims->table, claim->key, claim->key_size, claim);
        if (claim->hh.tbl != NULL)
            return;
        (void)diagnostics_out_of_memory(claims->diagnostics);
    } else {
        diagnostics_error(claims->diagnostics, TOPIC_ROUTE, origin,
                          "%s takes these clients of listener '%s' already (%s)",
                          section_text(other->route, where, sizeof(where)), clients->listener->name,
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

/* Claims each prefix of an item of `source`. */
static void claim_prefixes(struct claims *claims, const struct section *route,
                           struct clients *clients, const struct item *item)
{
    for (size_t i = 0; i < item->prefixes.count; i++) {
        clients->prefix = &item->prefixes.items[i];
        claim_add(claims, route, clients, &item->origin);
    }
}

static void check_families(const struct claims *claims, const struct section *listener,
                           const struct item *item)
{
    struct families families = families_of(claims->settings, listener);
    bool is_dead = item->prefixes.count > 0;

    for (size_t i = 0; i < item->prefixes.count; i++)
        is_dead &= item->prefixes.items[i].family == AF_INET ? !families.has_v4 : !families.has_v6;
    if (is_dead && section_value(listener, LISTEN_BIND)->count > 0)
        diagnostics_error(claims->diagnostics, TOPIC_ROUTE, &item->origin,
                          "no client of listener '%s' can come from '%s': it binds no address of "
                          "that family",
                          listener->name, item->text);
}

/* An alternative's name or protocol: `*text` is NULL where the key is not set, `*place` stays then.
 */
static void take_alternative(const struct setting *setting, size_t index, const char **text,
                             const struct origin **place)
{
    *text = NULL;
    if (setting->count == 0)
        return;
    *text = setting->items[index].text;
    *place = &setting->items[index].origin;
}

/* Claims what the route takes of a listener's clients. */
static void claim_all(struct claims *claims, const struct section *route,
                      const struct section *listener)
{
    const struct setting *sni = section_value(route, ROUTE_SNI);
    const struct setting *alpn = section_value(route, ROUTE_ALPN);
    const struct setting *source = section_value(route, ROUTE_SOURCE);
    size_t names = sni->count > 0 ? sni->count : 1;
    size_t protocols = alpn->count > 0 ? alpn->count : 1;

    for (size_t i = 0; i < names * protocols; i++) {
        struct clients clients = {.listener = listener};
        const struct origin *origin = &route->origin;

        take_alternative(alpn, i % protocols, &clients.alpn, &origin);
        take_alternative(sni, i / protocols, &clients.sni, &origin);
        if (source->count == 0)
            claim_add(claims, route, &clients, origin);
        for (size_t k = 0; k < source->count; k++)
            claim_prefixes(claims, route, &clients, &source->items[k]);
    }
}

static void check_route(struct claims *claims, const struct section *route,
                        const struct section *listener)
{
    static const enum option_id keys[] = {ROUTE_SNI, ROUTE_ALPN, ROUTE_SOURCE};
    const struct setting *source = section_value(route, ROUTE_SOURCE);
    const struct setting *pool = section_value(listener, LISTEN_POOL);
    const struct setting *server = section_value(listener, LISTEN_SERVER);
    bool takes_all = true;
    char where[SECTION_TEXT_BYTES];

    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        const struct setting *setting = section_value(route, keys[i]);

        /* One that was set to nonsense has been reported as that. */
        if (setting->is_set && setting->count == 0 && claims->diagnostics->errors > 0)
            return;
        takes_all &= setting->count == 0;
    }
    for (size_t i = 0; i < source->count; i++)
        check_families(claims, listener, &source->items[i]);
    claim_all(claims, route, listener);
    if (takes_all && (pool->count > 0 || server->count > 0))
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
