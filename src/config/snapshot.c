/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - the life of a snapshot, and its tallies.
 */
#include "config/snapshot.h"

#include <assert.h>
#include <stdlib.h>

#include "core/fault.h"

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

static void process_release(struct process_config *process)
{
    free(process->name);
    free(process->user);
    free(process->group);
    free(process->pid_file);
    free(process->log_output);
    free(process->access_output);
    free(process->syslog_facility);
    free(process->syslog_tag);
    free(process->admin_socket);
    free(process->admin_binds);
    free(process->metrics_binds);
}

static void listener_release(struct listener_config *listener)
{
    free(listener->name);
    free(listener->description);
    for (unsigned i = 0; listener->bind_paths != NULL && i < listener->bind_count; i++)
        free(listener->bind_paths[i]);
    free(listener->bind_paths);
    free(listener->binds);
    router_destroy(listener->router);
    sni_source_destroy(listener->sni_source);
}

static void snapshot_destroy(struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->listener_count; i++)
        listener_release(&snapshot->listeners[i]);
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        free(snapshot->routes[i].name);
        free(snapshot->routes[i].description);
    }
    for (unsigned i = 0; snapshot->health != NULL && i < snapshot->pool_count; i++)
        health_options_free(snapshot->health[i]);
    free(snapshot->health);
    for (unsigned i = 0; i < snapshot->pool_count; i++)
        pool_release(&snapshot->pools[i]);
    for (unsigned i = 0; i < snapshot->source_count; i++)
        discovery_source_release(&snapshot->sources[i]);
    free(snapshot->sources);
    free((char *)snapshot->dns.resolver.servers);
    for (unsigned i = 0; i < snapshot->tls_profile_count; i++)
        tls_profile_destroy(snapshot->tls_profiles[i]);
    free(snapshot->tls_profiles);
    for (unsigned i = 0; i < snapshot->address_source_count; i++)
        address_source_destroy(snapshot->address_sources[i]);
    free(snapshot->address_sources);
    process_release(&snapshot->process);
    free(snapshot->listeners);
    free(snapshot->routes);
    free(snapshot->pools);
    free(snapshot->tallies);
    free(snapshot->source);
    free(snapshot);
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    /* Release what this thread did with it, acquire what the others did, before it is freed. */
    int before = atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel);

    assert(before > 0);
    if (before == 1)
        snapshot_destroy(snapshot);
}

unsigned snapshot_tally(const struct snapshot *snapshot, const struct listener_config *listener,
                        const struct pool *pool)
{
    unsigned first = listener->first_tally;
    unsigned low = first + 1;
    unsigned high = first + listener->tally_count;

    if (pool == NULL)
        return first;
    /* Behind the one without a pool they are in the order of their pools. */
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int index = snapshot->tallies[middle].pool_index;

        if (index == (int)pool->index)
            return middle;
        if (index < (int)pool->index)
            low = middle + 1;
        else
            high = middle;
    }
    return first;
}

bool listener_admits(const struct listener_config *listener, const struct addr *client)
{
    if (client->family == AF_UNIX)
        return true;
    if (fault_is(FAULT_RULES_ALLOW_FIRST) && listener->allow != NULL &&
        address_list_contains(listener->allow, client))
        return true;
    if (listener->deny != NULL && address_list_contains(listener->deny, client))
        return false;
    return listener->allow == NULL || address_list_contains(listener->allow, client);
}
