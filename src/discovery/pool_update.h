/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool_update.h - an answer of the DNS turned into servers of a pool.
 *
 * A server that an answer has brought is called NAME@ADDRESS, by the name of its line and its
 * address, whatever else the answer holds: so its name stays with it, in metrics and in Maglev's
 * order, when others come and go. A server is identified by (pool, name, address); what leaves an
 * answer and comes back has its health and its counters again (pool_add_server()).
 */
#ifndef CULVERT_DISCOVERY_POOL_UPDATE_H
#define CULVERT_DISCOVERY_POOL_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "net/addr.h"
#include "pool/pool.h"

/* A server that an answer asks for. */
struct wanted_server {
    struct addr addr; /* with its port */
    int weight;
    int priority;
};

/* What has changed, and which servers went. */
struct pool_changes {
    unsigned added;
    unsigned removed;
    unsigned changed; /* weight or priority */
    unsigned refused; /* no slot was free, or no memory */
};

/* The servers that one line of the configuration has brought into its pool. */
struct server_group {
    struct pool *pool;
    const struct server_options *model; /* what all of them have; its name is the line's */
    struct server **servers;            /* present members; owned array */
    unsigned count;
    bool was_filled; /* servers that come from now on join others: slow_start counts for them */
};

/* Who is told of each server; each may be NULL. */
struct update_hooks {
    /* It was added, and joins others unless the group was empty so far. */
    void (*added)(void *argument, struct pool *pool, struct server *server, bool joins);
    /* It was removed; `from` is what it was before. */
    void (*removed)(void *argument, struct pool *pool, struct server *server,
                    enum server_state from);
    void *argument;
};

/*
 * Makes the group's servers those that are wanted: adds, removes, and takes over weights. An
 * address that is wanted twice counts once, the first time. Nothing is published. False when
 * nothing has changed.
 */
bool pool_update_apply(struct server_group *group, const struct wanted_server *wanted,
                       unsigned count, int64_t now_ms, const struct update_hooks *hooks,
                       struct pool_changes *changes);

/* Frees the array, not the servers. */
void server_group_release(struct server_group *group);

/* Longest name of a discovered server, with the NUL. */
#define DISCOVERED_NAME_BYTES 400

#endif
