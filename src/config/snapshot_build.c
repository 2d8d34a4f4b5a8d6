/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_build.c - filling a snapshot: process, TLS profiles, pools, listeners, routes, tallies,
 * in this order.
 *
 * The settings have been checked, so only memory can be wanting. A snapshot that is filled in part
 * is freed by snapshot_unref() like a whole one.
 */
#include "config/snapshot_build.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/sni_source.h"
#include "config/snapshot_access.h"
#include "config/snapshot_dns.h"
#include "config/snapshot_health.h"
#include "config/snapshot_pool.h"
#include "config/snapshot_process.h"
#include "config/snapshot_proxy.h"
#include "config/snapshot_route.h"
#include "config/snapshot_value.h"

struct builder {
    const struct settings *settings;
    struct tls_uses *tls;
    struct snapshot *snapshot;
    unsigned *pool_of_listener;           /* by section number: its own pool */
    struct listener_config **listener_of; /* by section number; NULL: not enabled */
};

/* ---- TLS --------------------------------------------------------------------------------------
 */

static bool take_profiles(struct builder *builder)
{
    struct snapshot *snapshot = builder->snapshot;

    snapshot->tls_profiles =
        calloc(tls_uses_count(builder->tls) + 1, sizeof(*snapshot->tls_profiles));
    if (snapshot->tls_profiles == NULL)
        return false;
    for (enum tls_role role = TLS_SERVER; role <= TLS_CLIENT; role++) {
        for (const struct tls_use *use = builder->tls->tables[role]; use != NULL;
             use = use->hh.next)
            snapshot->tls_profiles[snapshot->tls_profile_count++] = use->profile;
    }
    return true;
}

/* The pool of this name. Pools of sections come first, in the order of their numbers. */
static struct pool *find_pool(const struct builder *builder, const char *name)
{
    const struct section *section = settings_find(builder->settings, SECTION_POOL, name);

    return section == NULL ? NULL : &builder->snapshot->pools[section->number];
}

/* ---- listeners --------------------------------------------------------------------------------
 */

static bool fill_binds(struct listener_config *listener, const struct setting *bind)
{
    size_t count = snapshot_binds(bind, NULL);

    listener->binds = calloc(count + 1, sizeof(*listener->binds));
    listener->bind_paths = calloc(count + 1, sizeof(*listener->bind_paths));
    if (listener->binds == NULL || listener->bind_paths == NULL)
        return false;
    listener->bind_count = (unsigned)snapshot_binds(bind, listener->binds);
    for (unsigned i = 0; i < listener->bind_count; i++) {
        struct addr *addr = &listener->binds[i];

        if (addr->family != AF_UNIX)
            continue;
        if (!snapshot_copy(&listener->bind_paths[i], addr->path))
            return false;
        addr->path = listener->bind_paths[i];
    }
    return true;
}

static enum access_log access_of(const struct settings *settings, const struct section *section)
{
    static const enum access_log words[] = {ACCESS_ALL, ACCESS_ERRORS, ACCESS_OFF};
    int own = settings_word(settings, section, LISTEN_ACCESS);
    const struct section *log = settings_first(settings, SECTION_LOG);

    return words[own >= 0 ? own : settings_word(settings, log, LOG_OPTION_ACCESS)];
}

static void fill_session_options(const struct settings *settings, const struct section *section,
                                 struct listener_config *listener)
{
    static const enum refusal refusals[] = {REFUSE_RESET, REFUSE_CLOSE, REFUSE_ALERT};
    const struct section *log = settings_first(settings, SECTION_LOG);

    listener->no_route = refusals[settings_word(settings, section, LISTEN_NO_ROUTE)];
    listener->when_down = refusals[settings_word(settings, section, LISTEN_WHEN_DOWN)];
    listener->max_connections = (int)settings_number(settings, section, LISTEN_MAX_CONNECTIONS);
    listener->starttls =
        settings_word(settings, section, LISTEN_STARTTLS) == 1 ? STARTTLS_POSTGRES : STARTTLS_OFF;
    listener->preread_timeout_ms = settings_ms(settings, section, LISTEN_PREREAD_TIMEOUT);
    listener->handshake_timeout_ms = settings_ms(settings, section, LISTEN_HANDSHAKE_TIMEOUT);
    listener->idle_timeout_ms = settings_ms(settings, section, LISTEN_IDLE_TIMEOUT);
    listener->client_idle_timeout_ms = settings_ms(settings, section, LISTEN_CLIENT_IDLE_TIMEOUT);
    listener->server_idle_timeout_ms = settings_ms(settings, section, LISTEN_SERVER_IDLE_TIMEOUT);
    listener->half_close_timeout_ms = settings_ms(settings, section, LISTEN_HALF_CLOSE_TIMEOUT);
    listener->stall_timeout_ms = settings_ms(settings, section, LISTEN_STALL_TIMEOUT);
    listener->max_lifetime_ms = settings_ms(settings, section, LISTEN_MAX_LIFETIME);
    listener->lifetime_jitter_percent =
        (int)settings_number(settings, section, LISTEN_LIFETIME_JITTER);
    listener->reset_as_fin = settings_word(settings, section, LISTEN_ON_RESET) == 1;
    listener->splice = settings_word(settings, section, LISTEN_SPLICE) == 0;
    listener->buffer_size = (size_t)settings_number(settings, section, LISTEN_BUFFER_SIZE);
    listener->access = access_of(settings, section);
    listener->access_start = settings_number(settings, log, LOG_OPTION_ACCESS_START) != 0;
}

static bool fill_listener(struct builder *builder, const struct section *section,
                          struct listener_config *listener)
{
    const struct settings *settings = builder->settings;
    const char *pool_name = settings_text(settings, section, LISTEN_POOL);
    struct pool *fallback = NULL;

    if (section_value(section, LISTEN_SERVER)->count > 0)
        fallback = &builder->snapshot->pools[builder->pool_of_listener[section->number]];
    else if (pool_name != NULL)
        fallback = find_pool(builder, pool_name);
    listener->snapshot = builder->snapshot;
    fill_session_options(settings, section, listener);
    listener->listen = (struct listen_options){
        .backlog = (int)settings_number(settings, section, LISTEN_BACKLOG),
        .reuse_port = settings_number(settings, section, LISTEN_REUSE_PORT) != 0,
        .v6_only = settings_number(settings, section, LISTEN_V6_ONLY) != 0,
        .freebind = settings_number(settings, section, LISTEN_FREEBIND) != 0,
        .transparent = settings_number(settings, section, LISTEN_TRANSPARENT) != 0,
        .defer_accept_ms = settings_ms(settings, section, LISTEN_DEFER_ACCEPT),
        .socket_mode = (mode_t)settings_number(settings, section, LISTEN_SOCKET_MODE),
        .socket_group = snapshot_group(settings, section, LISTEN_SOCKET_GROUP),
        .socket = snapshot_socket_options(settings, section, LISTEN_NODELAY),
    };
    listener->tls =
        snapshot_profile(builder->settings, builder->tls, TLS_SERVER, section, LISTEN_TLS);
    listener->router = router_create(fallback);
    return listener->router != NULL &&
           snapshot_access_fill(builder->snapshot, settings, section, listener) &&
           snapshot_proxy_listener(builder->snapshot, settings, section, listener) &&
           snapshot_copy(&listener->name, section->name) &&
           snapshot_copy(&listener->description,
                         settings_text(settings, section, LISTEN_DESCRIPTION)) &&
           fill_binds(listener, section_value(section, LISTEN_BIND));
}

static bool fill_listeners(struct builder *builder)
{
    const struct settings *settings = builder->settings;
    struct snapshot *snapshot = builder->snapshot;
    const struct section *section = settings_first(settings, SECTION_LISTEN);

    snapshot->listeners =
        calloc(settings_count(settings, SECTION_LISTEN) + 1, sizeof(*snapshot->listeners));
    if (snapshot->listeners == NULL)
        return false;
    for (; section != NULL; section = section_next(section)) {
        if (!settings_number(settings, section, LISTEN_ENABLED))
            continue;
        struct listener_config *listener = &snapshot->listeners[snapshot->listener_count];
        listener->index = snapshot->listener_count++;
        builder->listener_of[section->number] = listener;
        if (!fill_listener(builder, section, listener))
            return false;
    }
    return true;
}

/* ---- routes -----------------------------------------------------------------------------------
 */

/* Behind the routes: these come first. */
static bool fill_maps(struct builder *builder)
{
    const struct section *section = settings_first(builder->settings, SECTION_LISTEN);
    struct snapshot *snapshot = builder->snapshot;

    for (; section != NULL; section = section_next(section)) {
        struct listener_config *listener = builder->listener_of[section->number];
        const struct item *item = settings_item(builder->settings, section, LISTEN_SNI_MAP);
        struct error error = {.text = ""}; /* its pools are there: it can only be memory */
        struct name_map *names;

        if (listener == NULL || item == NULL)
            continue;
        names =
            sni_source_names(item->sni_map, snapshot->pools, snapshot->named_pool_count, &error);
        if (names == NULL)
            return false;
        router_publish_names(listener->router, names, 0);
        listener->sni_source = sni_source_create(item->text, item->sni_map);
        if (listener->sni_source == NULL)
            return false;
    }
    return true;
}

/* Who speaks TLS, and whether the ClientHello must be read, once all routes are there. */
static void fill_tls(struct builder *builder, const bool *has_tls_route)
{
    struct snapshot *snapshot = builder->snapshot;

    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        struct listener_config *listener = &snapshot->listeners[i];

        listener->terminates_tls = listener->tls != NULL || has_tls_route[i];
        listener->peeks_hello = router_needs_hello(listener->router) ||
                                (listener->terminates_tls && listener->no_route == REFUSE_ALERT);
        if (!listener->peeks_hello && listener->no_route == REFUSE_ALERT)
            listener->no_route = REFUSE_RESET;
    }
}

static bool fill_route(struct builder *builder, const struct section *section, struct route *route)
{
    const struct settings *settings = builder->settings;
    const struct item *tls = settings_item(settings, section, ROUTE_TLS);

    route->action =
        settings_word(settings, section, ROUTE_ACTION) == 1 ? ROUTE_REJECT : ROUTE_RELAY;
    if (route->action == ROUTE_RELAY)
        route->pool = find_pool(builder, settings_text(settings, section, ROUTE_POOL));
    route->has_tls = tls != NULL;
    route->tls = snapshot_profile(builder->settings, builder->tls, TLS_SERVER, section, ROUTE_TLS);
    return snapshot_copy(&route->name, section->name) &&
           snapshot_copy(&route->description, settings_text(settings, section, ROUTE_DESCRIPTION));
}

/* `has_tls_route` has an entry per listener. */
static bool add_routes(struct builder *builder, bool *has_tls_route)
{
    const struct settings *settings = builder->settings;
    struct snapshot *snapshot = builder->snapshot;
    const struct section *section = settings_first(settings, SECTION_ROUTE);

    for (; section != NULL; section = section_next(section)) {
        struct route *route = &snapshot->routes[snapshot->route_count++];
        const struct setting *listen = section_value(section, ROUTE_LISTEN);

        if (!fill_route(builder, section, route))
            return false;
        for (size_t i = 0; i < listen->count; i++) {
            const struct section *named =
                settings_find(settings, SECTION_LISTEN, listen->items[i].text);
            struct listener_config *listener = builder->listener_of[named->number];

            if (listener == NULL)
                continue;
            has_tls_route[listener->index] |= route->tls != NULL;
            if (!snapshot_route_clients(section, listener, route))
                return false;
        }
    }
    return true;
}

static bool fill_routes(struct builder *builder)
{
    struct snapshot *snapshot = builder->snapshot;
    bool *has_tls_route = calloc(snapshot->listener_count + 1, sizeof(bool));
    bool is_good;

    snapshot->routes =
        calloc(settings_count(builder->settings, SECTION_ROUTE) + 1, sizeof(*snapshot->routes));
    is_good = has_tls_route != NULL && snapshot->routes != NULL &&
              add_routes(builder, has_tls_route) && fill_maps(builder);
    if (is_good)
        fill_tls(builder, has_tls_route);
    free(has_tls_route);
    return is_good;
}

/* ---- tallies ----------------------------------------------------------------------------------
 */

static int compare_tallies(const void *a_pointer, const void *b_pointer)
{
    const struct tally *a = a_pointer;
    const struct tally *b = b_pointer;

    if (a->listener_index != b->listener_index)
        return a->listener_index < b->listener_index ? -1 : 1;
    return (a->pool_index > b->pool_index) - (a->pool_index < b->pool_index);
}

/* The pairs of listeners that have a map and every pool that it may come to name. */
static size_t list_map_tallies(const struct snapshot *snapshot, struct tally *tallies, size_t count)
{
    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        for (unsigned k = 0;
             snapshot->listeners[i].sni_source != NULL && k < snapshot->named_pool_count; k++) {
            if (tallies != NULL)
                tallies[count] = (struct tally){.listener_index = i, .pool_index = (int)k};
            count++;
        }
    }
    return count;
}

/* Every pair that can occur, some of them twice; `tallies` NULL: only counts them. */
static size_t list_tallies(const struct builder *builder, struct tally *tallies)
{
    const struct settings *settings = builder->settings;
    const struct snapshot *snapshot = builder->snapshot;
    const struct addr unknown = {.family = AF_UNSPEC};
    const struct route_client nobody = {.addr = &unknown};
    const struct section *section = settings_first(settings, SECTION_ROUTE);
    size_t count = 0;

    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        /* The choice for a client without an address is the fallback or the route of all. */
        const struct pool *pool = router_choose(snapshot->listeners[i].router, &nobody).pool;

        if (tallies != NULL)
            tallies[count] = (struct tally){.listener_index = i, .pool_index = -1};
        count++;
        if (pool != NULL && tallies != NULL)
            tallies[count] = (struct tally){.listener_index = i, .pool_index = (int)pool->index};
        count += pool != NULL;
    }
    for (unsigned i = 0; section != NULL; section = section_next(section), i++) {
        const struct setting *listen = section_value(section, ROUTE_LISTEN);
        const struct pool *pool = snapshot->routes[i].pool;

        for (size_t k = 0; pool != NULL && k < listen->count; k++) {
            const struct section *named =
                settings_find(settings, SECTION_LISTEN, listen->items[k].text);
            const struct listener_config *listener = builder->listener_of[named->number];

            if (listener == NULL)
                continue;
            if (tallies != NULL)
                tallies[count] = (struct tally){.listener_index = listener->index,
                                                .pool_index = (int)pool->index};
            count++;
        }
    }
    return list_map_tallies(snapshot, tallies, count);
}

static bool fill_tallies(struct builder *builder)
{
    struct snapshot *snapshot = builder->snapshot;
    size_t count = list_tallies(builder, NULL);

    snapshot->tallies = calloc(count + 1, sizeof(*snapshot->tallies));
    if (snapshot->tallies == NULL)
        return false;
    list_tallies(builder, snapshot->tallies);
    qsort(snapshot->tallies, count, sizeof(*snapshot->tallies), compare_tallies);
    for (size_t i = 0; i < count; i++) {
        struct tally *tally = &snapshot->tallies[i];
        struct listener_config *listener = &snapshot->listeners[tally->listener_index];

        if (i > 0 && compare_tallies(tally - 1, tally) == 0)
            continue;
        if (listener->tally_count++ == 0)
            listener->first_tally = snapshot->tally_count;
        snapshot->tallies[snapshot->tally_count++] = *tally;
    }
    return true;
}

/* A name that decides which server it will be is read before, unless our own TLS learns it. */
static void peek_for_keys(struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->tally_count; i++) {
        const struct tally *tally = &snapshot->tallies[i];
        struct listener_config *listener = &snapshot->listeners[tally->listener_index];
        const struct pool_options *options;

        if (tally->pool_index < 0 || listener->tls != NULL)
            continue;
        options = &snapshot->pools[tally->pool_index].options;
        if (options->balance == BALANCE_MAGLEV && options->hash_key == HASH_SNI)
            listener->peeks_hello = true;
    }
}

static bool fill(struct builder *builder)
{
    if (!take_profiles(builder) ||
        !snapshot_process_fill(builder->settings, &builder->snapshot->process) ||
        !snapshot_dns_fill(builder->settings, &builder->snapshot->dns) ||
        !snapshot_fill_pools(builder->snapshot, builder->settings, builder->tls,
                             builder->pool_of_listener) ||
        !snapshot_fill_health(builder->snapshot, builder->settings, builder->tls) ||
        !fill_listeners(builder) || !fill_routes(builder) || !fill_tallies(builder))
        return false;
    peek_for_keys(builder->snapshot);
    return true;
}

struct snapshot *snapshot_build(const struct settings *settings, struct tls_uses *tls,
                                const char *source)
{
    size_t listeners = settings_count(settings, SECTION_LISTEN) + 1;
    struct builder builder = {
        .settings = settings,
        .tls = tls,
        .snapshot = calloc(1, sizeof(struct snapshot)),
        .pool_of_listener = calloc(listeners, sizeof(unsigned)),
        .listener_of = calloc(listeners, sizeof(struct listener_config *)),
    };
    struct snapshot *snapshot = builder.snapshot;

    if (snapshot != NULL)
        atomic_init(&snapshot->references, 1);
    if (snapshot == NULL || builder.pool_of_listener == NULL || builder.listener_of == NULL ||
        !snapshot_copy(&snapshot->source, source) || !fill(&builder)) {
        snapshot_unref(snapshot);
        snapshot = NULL;
    }
    /* They are in the list of the snapshot, and with it when it could not be finished. */
    tls_uses_forget(tls);
    free(builder.pool_of_listener);
    free(builder.listener_of);
    return snapshot;
}
