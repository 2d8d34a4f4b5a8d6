/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_pool.c - the pools of a snapshot and the servers that the configuration names.
 */
#include "config/snapshot_pool.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/snapshot_proxy.h"
#include "config/snapshot_value.h"

/* Slots for servers that a name may bring; many names of one pool share up to POOL_SERVERS_MAX. */
#define SERVERS_PER_NAME 1024

struct pools_builder {
    const struct settings *settings;
    struct tls_uses *tls;
    struct snapshot *snapshot;
};

struct tls_profile *snapshot_profile(const struct settings *settings, struct tls_uses *tls,
                                     enum tls_role role, const struct section *section,
                                     enum option_id option)
{
    const struct tls_use *use = tls_uses_find(tls, role, settings_item(settings, section, option));

    return use == NULL ? NULL : use->profile;
}

/* The name that a server's certificate must have: as its line says, else as the profile says, else
   its host. */
static const char *tls_name_of(const struct endpoint *endpoint, const char *profile_name,
                               char text[INET6_ADDRSTRLEN])
{
    if (endpoint->server_name != NULL)
        return endpoint->server_name;
    if (profile_name != NULL)
        return profile_name;
    if (endpoint->kind == ENDPOINT_HOST)
        return endpoint->host;
    /* Targets come from the DNS, which may lie: the name to verify is the domain (RFC 6125, B.2).
     */
    if (endpoint->kind == ENDPOINT_SRV)
        return strchr(strchr(endpoint->host, '.') + 1, '.') + 1;
    if (endpoint->kind != ENDPOINT_IP)
        return NULL;
    return inet_ntop(endpoint->addr.family, &endpoint->addr.v6, text, INET6_ADDRSTRLEN);
}

struct socket_options snapshot_socket_options(const struct settings *settings,
                                              const struct section *section, enum option_id nodelay)
{
    /* The seven options follow each other in both sections. */
    static_assert(LISTEN_RECEIVE_BUFFER - LISTEN_NODELAY == POOL_RECEIVE_BUFFER - POOL_NODELAY,
                  "the same socket options in both sections");
    enum option_id keepalive = nodelay + (LISTEN_KEEPALIVE - LISTEN_NODELAY);
    enum option_id interval = nodelay + (LISTEN_KEEPALIVE_INTERVAL - LISTEN_NODELAY);
    enum option_id probes = nodelay + (LISTEN_KEEPALIVE_PROBES - LISTEN_NODELAY);
    enum option_id user_timeout = nodelay + (LISTEN_USER_TIMEOUT - LISTEN_NODELAY);
    enum option_id send_buffer = nodelay + (LISTEN_SEND_BUFFER - LISTEN_NODELAY);
    enum option_id receive_buffer = nodelay + (LISTEN_RECEIVE_BUFFER - LISTEN_NODELAY);

    return (struct socket_options){
        .nodelay = settings_number(settings, section, nodelay) != 0,
        .keepalive_ms = settings_ms(settings, section, keepalive),
        .keepalive_interval_ms = settings_ms(settings, section, interval),
        .keepalive_probes = (int)settings_number(settings, section, probes),
        .user_timeout_ms = settings_ms(settings, section, user_timeout),
        .send_buffer = (int)settings_number(settings, section, send_buffer),
        .receive_buffer = (int)settings_number(settings, section, receive_buffer),
    };
}

/* `section` is NULL for a listener's own pool, which has what [defaults] and the table say. */
static struct pool_options pool_options(const struct pools_builder *builder,
                                        const struct section *section)
{
    const struct settings *settings = builder->settings;
    static const enum balance words[] = {BALANCE_LEASTCONN, BALANCE_ROUNDROBIN, BALANCE_RANDOM,
                                         BALANCE_FIRST, BALANCE_MAGLEV};
    static const enum hash_key keys[] = {HASH_SOURCE, HASH_SOURCE_PORT, HASH_DESTINATION, HASH_SNI};
    static const enum server_gone gone_words[] = {SERVER_GONE_KEEP, SERVER_GONE_DRAIN,
                                                  SERVER_GONE_RESET};

    return (struct pool_options){
        .balance = words[settings_word(settings, section, POOL_BALANCE)],
        .hash_key = keys[settings_word(settings, section, POOL_HASH_KEY)],
        .maglev_size = (unsigned)settings_number(settings, section, POOL_MAGLEV_SIZE),
        .slow_start_ms = settings_ms(settings, section, POOL_SLOW_START),
        .fail_open = settings_number(settings, section, POOL_FAIL_OPEN) != 0,
        .max_fails = (int)settings_number(settings, section, POOL_MAX_FAILS),
        .fail_timeout_ms = settings_ms(settings, section, POOL_FAIL_TIMEOUT),
        .connect_timeout_ms = settings_ms(settings, section, POOL_CONNECT_TIMEOUT),
        .connect_retries = (int)settings_number(settings, section, POOL_CONNECT_RETRIES),
        .discovery_min = (int)settings_number(settings, section, POOL_DISCOVERY_MIN),
        .queue_size = (int)settings_number(settings, section, POOL_QUEUE_SIZE),
        .queue_timeout_ms = settings_ms(settings, section, POOL_QUEUE_TIMEOUT),
        .on_down = gone_words[settings_word(settings, section, POOL_ON_DOWN)],
        .on_remove = gone_words[settings_word(settings, section, POOL_ON_REMOVE)],
        .socket = snapshot_socket_options(settings, section, POOL_NODELAY),
        .tls = snapshot_profile(settings, builder->tls, TLS_CLIENT, section, POOL_TLS),
        .is_transparent = settings_number(settings, section, POOL_TRANSPARENT) != 0,
    };
}

static bool is_by_name(const struct endpoint *endpoint)
{
    return endpoint->kind == ENDPOINT_HOST || endpoint->kind == ENDPOINT_SRV;
}

/* What discovery makes servers of: the name of the line, or of the host without its port. */
static bool add_source(struct snapshot *snapshot, struct pool *pool,
                       const struct endpoint *endpoint, const struct server_options *options)
{
    struct discovery_source *source = &snapshot->sources[snapshot->source_count++];
    char *name = NULL;
    char *tls_name = NULL;
    bool is_good = snapshot_copy(&name, endpoint->has_name ? endpoint->name : endpoint->host) &&
                   snapshot_copy(&tls_name, options->tls_name) &&
                   snapshot_copy(&source->host, endpoint->host);

    source->pool = pool;
    source->is_srv = endpoint->kind == ENDPOINT_SRV;
    source->port = endpoint->port;
    source->model = *options;
    source->model.name = name;
    source->model.tls_name = tls_name;
    source->model.is_discovered = true;
    return is_good;
}

static bool add_servers(struct snapshot *snapshot, struct pool *pool, const struct setting *setting,
                        int max_connections, const char *profile_name)
{
    for (size_t i = 0; i < setting->count; i++) {
        const struct endpoint *endpoint = setting->items[i].endpoint;
        char text[INET6_ADDRSTRLEN];
        const struct server_options options = {
            .name = endpoint->name,
            .addr = endpoint->addr,
            .builtin = endpoint->builtin,
            .is_original = endpoint->kind == ENDPOINT_ORIGINAL,
            .tls_name = tls_name_of(endpoint, profile_name, text),
            .weight = endpoint->weight,
            .max_connections =
                endpoint->max_connections >= 0 ? endpoint->max_connections : max_connections,
            .health_port = (uint16_t)endpoint->health_port,
            .is_backup = endpoint->is_backup,
            .admin = endpoint->is_disabled ? SERVER_ADMIN_MAINT
                     : endpoint->is_drain  ? SERVER_ADMIN_DRAIN
                                           : SERVER_ADMIN_UP,
        };

        if (is_by_name(endpoint) ? !add_source(snapshot, pool, endpoint, &options)
                                 : pool_add_server(pool, &options) == NULL)
            return false;
    }
    return true;
}

/* A name may stand for many servers. */
static unsigned capacity_for(const struct setting *setting)
{
    size_t total = 0;

    for (size_t i = 0; i < setting->count; i++)
        total += is_by_name(setting->items[i].endpoint) ? SERVERS_PER_NAME : 1;
    return total > POOL_SERVERS_MAX ? POOL_SERVERS_MAX : (unsigned)total;
}

static bool add_pool(const struct pools_builder *builder, const char *name,
                     const struct section *section, const struct setting *servers)
{
    const struct settings *settings = builder->settings;
    struct snapshot *snapshot = builder->snapshot;
    struct pool *pool = &snapshot->pools[snapshot->pool_count];
    int max_connections =
        section == NULL ? 0 : (int)settings_number(settings, section, POOL_MAX_CONNECTIONS);
    const struct tls_use *use =
        tls_uses_find(builder->tls, TLS_CLIENT, settings_item(settings, section, POOL_TLS));
    const char *profile_name =
        use == NULL ? NULL : settings_text(settings, use->section, TLS_OPTION_SERVER_NAME);

    pool->index = snapshot->pool_count++;
    pool->options = pool_options(builder, section);
    snapshot_proxy_pool(settings, section, &pool->options);
    pool->options.is_original =
        servers->count == 1 && servers->items[0].endpoint->kind == ENDPOINT_ORIGINAL;
    if (!snapshot_sources(settings_get(settings, section, POOL_SOURCE), &pool->options) ||
        !pool_init(pool, capacity_for(servers), (unsigned)snapshot->process.workers) ||
        !snapshot_copy(&pool->name, name) ||
        !add_servers(snapshot, pool, servers, max_connections, profile_name))
        return false;
    if (section != NULL &&
        !snapshot_copy(&pool->description, settings_text(settings, section, POOL_DESCRIPTION)))
        return false;
    return pool_prepare(pool);
}

/* Server lines with a name, of all sections. */
static size_t count_sources(const struct settings *settings, enum section_kind kind,
                            enum option_id option)
{
    size_t count = 0;

    for (const struct section *section = settings_first(settings, kind); section != NULL;
         section = section_next(section)) {
        const struct setting *servers = section_value(section, option);

        for (size_t i = 0; i < servers->count; i++)
            count += is_by_name(servers->items[i].endpoint);
    }
    return count;
}

bool snapshot_fill_pools(struct snapshot *snapshot, const struct settings *settings,
                         struct tls_uses *tls, unsigned *pool_of_listener)
{
    const struct pools_builder builder = {.settings = settings, .tls = tls, .snapshot = snapshot};
    const struct section *pool = settings_first(settings, SECTION_POOL);
    const struct section *listener = settings_first(settings, SECTION_LISTEN);
    size_t most = settings_count(settings, SECTION_POOL) + settings_count(settings, SECTION_LISTEN);

    snapshot->pools = calloc(most + 1, sizeof(struct pool));
    snapshot->sources = calloc(count_sources(settings, SECTION_POOL, POOL_SERVER) +
                                   count_sources(settings, SECTION_LISTEN, LISTEN_SERVER) + 1,
                               sizeof(*snapshot->sources));
    if (snapshot->pools == NULL || snapshot->sources == NULL)
        return false;
    for (; pool != NULL; pool = section_next(pool)) {
        if (!add_pool(&builder, pool->name, pool, section_value(pool, POOL_SERVER)))
            return false;
    }
    snapshot->named_pool_count = snapshot->pool_count;
    for (; listener != NULL; listener = section_next(listener)) {
        const struct setting *servers = section_value(listener, LISTEN_SERVER);

        if (servers->count == 0 || !settings_number(settings, listener, LISTEN_ENABLED))
            continue;
        pool_of_listener[listener->number] = snapshot->pool_count;
        if (!add_pool(&builder, listener->name, NULL, servers))
            return false;
    }
    return true;
}
