/* SPDX-License-Identifier: Apache-2.0 */
/*
 * members.c - a pool's servers as they come and go, and what sessions choose from.
 *
 * All of it is the control thread's. Declared in pool.h.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pool/pool.h"

bool pool_init(struct pool *pool, unsigned capacity, unsigned workers)
{
    if (pthread_mutex_init(&pool->eject_mutex, NULL) != 0 || !pool_queue_init(&pool->queue))
        return false;
    pool->servers = calloc(capacity, sizeof(struct server *));
    pool->capacity = capacity;
    pool->workers = workers;
    pool->lookup_fd = -1;
    return pool->servers != NULL;
}

static void free_retired(struct pool *pool)
{
    while (pool->retired != NULL) {
        struct pool_members *members = pool->retired;

        pool->retired = members->next;
        pool_members_free(members);
    }
}

void pool_release(struct pool *pool)
{
    free_retired(pool);
    pool_members_free(atomic_load_explicit(&pool->members, memory_order_relaxed));
    for (unsigned i = 0; i < pool->server_count; i++)
        server_free(pool->servers[i]);
    free(pool->servers);
    free(pool->name);
    free(pool->description);
    free(pool->options.sources);
    pool_queue_release(&pool->queue);
    if (pool->capacity > 0)
        pthread_mutex_destroy(&pool->eject_mutex);
    memset(pool, 0, sizeof(*pool));
}

/* ---- servers ----------------------------------------------------------------------------------
 */

static bool is_same(const struct server *server, const struct server_options *options)
{
    return server->builtin == options->builtin && strcmp(server->name, options->name) == 0 &&
           addr_equal(&server->addr, &options->addr);
}

/* The server of this identity that was removed and is still there. */
static struct server *find_removed(const struct pool *pool, const struct server_options *options)
{
    for (unsigned i = 0; i < pool->server_count; i++) {
        struct server *server = pool->servers[i];

        if (server != NULL && atomic_load_explicit(&server->is_removed, memory_order_relaxed) &&
            server->is_backup == options->is_backup && is_same(server, options))
            return server;
    }
    return NULL;
}

static struct server *bring_back(struct server *server, const struct server_options *options)
{
    server->priority = options->priority;
    atomic_store_explicit(&server->weight, options->weight, memory_order_relaxed);
    server->given_weight = options->weight;
    atomic_store_explicit(&server->max_connections, options->max_connections, memory_order_relaxed);
    atomic_store_explicit(&server->is_removed, false, memory_order_relaxed);
    return server;
}

/* A free slot; `capacity` when there is none. */
static unsigned find_slot(const struct pool *pool)
{
    for (unsigned i = 0; i < pool->server_count; i++) {
        if (pool->servers[i] == NULL)
            return i;
    }
    return pool->server_count;
}

struct server *pool_add_server(struct pool *pool, const struct server_options *options)
{
    struct server *server = find_removed(pool, options);
    unsigned slot;

    if (server != NULL)
        return bring_back(server, options);
    slot = find_slot(pool);
    if (slot == pool->capacity)
        return NULL;
    server = server_create(options, pool->workers);
    if (server == NULL)
        return NULL;
    server->position = slot;
    pool->servers[slot] = server;
    if (slot == pool->server_count)
        pool->server_count++;
    return server;
}

void pool_remove_server(struct pool *pool, struct server *server, int64_t now_ms)
{
    pthread_mutex_lock(&pool->eject_mutex);
    atomic_store_explicit(&server->is_removed, true, memory_order_relaxed);
    server->removed_ms = now_ms;
    if (atomic_exchange_explicit(&server->health, SERVER_UP, memory_order_acq_rel) != SERVER_UP)
        atomic_fetch_sub_explicit(&pool->out_count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&pool->eject_mutex);
}

/* ---- members ----------------------------------------------------------------------------------
 */

static int compare_ranks(const void *a_pointer, const void *b_pointer)
{
    const struct server *a = *(struct server *const *)a_pointer;
    const struct server *b = *(struct server *const *)b_pointer;

    if (a->is_backup != b->is_backup)
        return a->is_backup ? 1 : -1;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

static bool is_same_tier(const struct server *a, const struct server *b)
{
    return a->is_backup == b->is_backup && a->priority == b->priority;
}

/* Turns given out go on where they were: a publishing must not favour the first servers. */
static void take_over_ticket(const struct pool *pool, struct balance_tier *tier)
{
    const struct pool_members *before = atomic_load_explicit(&pool->members, memory_order_relaxed);

    for (unsigned i = 0; before != NULL && i < before->tier_count; i++) {
        const struct balance_tier *old = &before->tiers[i];

        if (old->is_backup == tier->is_backup && old->priority == tier->priority)
            atomic_init(&tier->ticket, atomic_load_explicit(&old->ticket, memory_order_relaxed));
    }
}

/* One tier for each run of servers of the same rank. */
static bool make_tiers(const struct pool *pool, struct pool_members *members)
{
    unsigned first = 0;

    members->tiers = calloc(members->server_count + 1, sizeof(*members->tiers));
    if (members->tiers == NULL)
        return false;
    for (unsigned i = 1; i <= members->server_count; i++) {
        if (i < members->server_count && is_same_tier(members->servers[first], members->servers[i]))
            continue;
        if (!balance_tier_init(&members->tiers[members->tier_count++], &members->servers[first],
                               i - first))
            return false;
        if (pool->options.balance == BALANCE_MAGLEV &&
            !balance_tier_hash(&members->tiers[members->tier_count - 1], pool->options.maglev_size))
            return false;
        take_over_ticket(pool, &members->tiers[members->tier_count - 1]);
        first = i;
    }
    return true;
}

struct pool_members *pool_members_build(const struct pool *pool)
{
    struct pool_members *members = calloc(1, sizeof(*members));

    if (members == NULL)
        return NULL;
    members->servers = calloc(pool->server_count + 1, sizeof(struct server *));
    if (members->servers == NULL) {
        pool_members_free(members);
        return NULL;
    }
    for (unsigned i = 0; i < pool->server_count; i++) {
        struct server *server = pool->servers[i];

        if (server == NULL || atomic_load_explicit(&server->is_removed, memory_order_relaxed))
            continue;
        members->servers[members->server_count++] = server;
        members->has_address |= server_has_address(server);
    }
    qsort(members->servers, members->server_count, sizeof(struct server *), compare_ranks);
    if (!make_tiers(pool, members)) {
        pool_members_free(members);
        return NULL;
    }
    return members;
}

void pool_members_free(struct pool_members *members)
{
    if (members == NULL)
        return;
    for (unsigned i = 0; i < members->tier_count; i++)
        balance_tier_release(&members->tiers[i]);
    free(members->tiers);
    free(members->servers);
    free(members);
}

struct pool_members *pool_publish(struct pool *pool, struct pool_members *fresh, int workers)
{
    struct pool_members *old =
        atomic_exchange_explicit(&pool->members, fresh, memory_order_acq_rel);

    if (old == NULL)
        return NULL;
    atomic_store_explicit(&old->holders, workers, memory_order_relaxed);
    old->next = pool->retired;
    pool->retired = old;
    return old;
}

void pool_members_leave(struct pool_members *members)
{
    /* Release: the control thread frees what this worker has read. */
    atomic_fetch_sub_explicit(&members->holders, 1, memory_order_release);
}

static void reclaim_members(struct pool *pool)
{
    struct pool_members **link = &pool->retired;

    while (*link != NULL) {
        struct pool_members *members = *link;

        if (atomic_load_explicit(&members->holders, memory_order_acquire) > 0) {
            link = &members->next;
            continue;
        }
        *link = members->next;
        pool_members_free(members);
    }
}

/* Whether sessions may be choosing it: removed, perhaps, but not published so yet. */
static bool is_member(const struct pool *pool, const struct server *server)
{
    const struct pool_members *members = atomic_load_explicit(&pool->members, memory_order_relaxed);

    for (unsigned i = 0; members != NULL && i < members->server_count; i++) {
        if (members->servers[i] == server)
            return true;
    }
    return false;
}

bool pool_may_choose(const struct pool *pool, const struct server *server)
{
    if (is_member(pool, server))
        return true;
    for (const struct pool_members *old = pool->retired; old != NULL; old = old->next) {
        if (atomic_load_explicit(&old->holders, memory_order_acquire) > 0)
            return true;
    }
    return false;
}

static bool is_unused(const struct pool *pool, const struct server *server, int64_t before_ms)
{
    return atomic_load_explicit(&server->is_removed, memory_order_relaxed) &&
           server->removed_ms <= before_ms && !is_member(pool, server) &&
           atomic_load_explicit(&server->users, memory_order_acquire) == 0;
}

void pool_reclaim(struct pool *pool, int64_t before_ms)
{
    reclaim_members(pool);
    /* A worker that has old members may be about to choose a removed server. */
    if (pool->retired != NULL)
        return;
    for (unsigned i = 0; i < pool->server_count; i++) {
        struct server *server = pool->servers[i];

        if (server == NULL || !is_unused(pool, server, before_ms))
            continue;
        pool->servers[i] = NULL;
        server_free(server);
    }
}

bool pool_prepare(struct pool *pool)
{
    struct pool_members *members = pool_members_build(pool);

    if (members == NULL)
        return false;
    assert(atomic_load_explicit(&pool->members, memory_order_relaxed) == NULL);
    pool_publish(pool, members, 0);
    return true;
}
