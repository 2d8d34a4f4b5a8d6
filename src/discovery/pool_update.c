/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool_update.c - the difference between what an answer holds and what the pool has.
 */
#include "discovery/pool_update.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "pool/server_change.h"

/* "NAME@10.0.0.1:5432"; returns `buffer` of DISCOVERED_NAME_BYTES. */
static const char *discovered_name(const char *name, const struct addr *addr, char *buffer)
{
    struct text text = text_over(buffer, DISCOVERED_NAME_BYTES);

    text_append_format(&text, "%.256s@", name);
    addr_format(addr, &text);
    return buffer;
}

static struct server *find_server(const struct server_group *group, const struct addr *addr)
{
    for (unsigned i = 0; i < group->count; i++) {
        if (addr_equal(&group->servers[i]->addr, addr))
            return group->servers[i];
    }
    return NULL;
}

static bool is_wanted(const struct wanted_server *wanted, unsigned count, const struct addr *addr)
{
    for (unsigned i = 0; i < count; i++) {
        if (addr_equal(&wanted[i].addr, addr))
            return true;
    }
    return false;
}

static void remove_unwanted(struct server_group *group, const struct wanted_server *wanted,
                            unsigned count, int64_t now_ms, const struct update_hooks *hooks,
                            struct pool_changes *changes)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < group->count; i++) {
        struct server *server = group->servers[i];
        enum server_state from = server_state_of(server);

        if (is_wanted(wanted, count, &server->addr)) {
            group->servers[kept++] = server;
            continue;
        }
        pool_remove_server(group->pool, server, now_ms);
        if (hooks->removed != NULL)
            hooks->removed(hooks->argument, group->pool, server, from);
        changes->removed++;
    }
    group->count = kept;
}

/* A weight that an operator has set stays until the answer gives another than before. */
static void take_over(struct server *server, const struct wanted_server *wanted,
                      struct pool_changes *changes)
{
    if (server->given_weight == wanted->weight && server->priority == wanted->priority)
        return;
    if (server->given_weight != wanted->weight)
        atomic_store_explicit(&server->weight, wanted->weight, memory_order_relaxed);
    server->given_weight = wanted->weight;
    server->priority = wanted->priority;
    changes->changed++;
}

/* A slot that only remembers a server that went makes room for one that comes. */
static struct server *add(struct server_group *group, const struct wanted_server *wanted,
                          int64_t now_ms)
{
    char name[DISCOVERED_NAME_BYTES];
    struct server_options options = *group->model;
    struct server *server;

    options.name = discovered_name(group->model->name, &wanted->addr, name);
    options.addr = wanted->addr;
    options.weight = wanted->weight;
    options.priority = wanted->priority;
    options.is_discovered = true;
    server = pool_add_server(group->pool, &options);
    if (server == NULL) {
        pool_reclaim(group->pool, now_ms - 1); /* none that goes in this very update */
        server = pool_add_server(group->pool, &options);
    }
    return server;
}

/* The first servers are what the pool begins with; one that joins others starts slowly. */
static void tell_of(const struct server_group *group, struct server *server, int64_t now_ms,
                    const struct update_hooks *hooks)
{
    server_change_mark(server, SERVER_CAUSE_DNS, now_ms);
    if (group->was_filled)
        atomic_store_explicit(&server->up_since_ms, now_ms, memory_order_relaxed);
    if (hooks->added != NULL)
        hooks->added(hooks->argument, group->pool, server, group->was_filled);
}

bool pool_update_apply(struct server_group *group, const struct wanted_server *wanted,
                       unsigned count, int64_t now_ms, const struct update_hooks *hooks,
                       struct pool_changes *changes)
{
    *changes = (struct pool_changes){0};
    remove_unwanted(group, wanted, count, now_ms, hooks, changes);
    struct server **servers =
        realloc(group->servers, (group->count + count + 1) * sizeof(struct server *));
    if (servers == NULL) {
        changes->refused = count - group->count;
        return changes->removed > 0;
    }
    group->servers = servers;
    for (unsigned i = 0; i < count; i++) {
        struct server *server = find_server(group, &wanted[i].addr);

        if (server != NULL) {
            if (!is_wanted(wanted, i, &wanted[i].addr)) /* the first time counts */
                take_over(server, &wanted[i], changes);
            continue;
        }
        server = add(group, &wanted[i], now_ms);
        if (server == NULL) {
            changes->refused++;
            continue;
        }
        tell_of(group, server, now_ms, hooks);
        group->servers[group->count++] = server;
        changes->added++;
    }
    group->was_filled |= group->count > 0;
    return changes->added + changes->removed + changes->changed > 0;
}

void server_group_release(struct server_group *group)
{
    free(group->servers);
    group->servers = NULL;
    group->count = 0;
}
