/* SPDX-License-Identifier: Apache-2.0 */
/*
 * places.c - counters that all workers share, with limits that none of them passes.
 */
#include "worker/places.h"

#include <stdatomic.h>
#include <stddef.h>

#include "relay/source_table.h"
#include "worker/worker_internal.h"

/* New sessions are refused while buffers are nearly spent, so that live ones keep moving. */
static bool buffers_are_short(const struct buffer_budget *buffers)
{
    size_t used = atomic_load_explicit(&buffers->used_bytes, memory_order_relaxed);

    return used > buffers->limit_bytes / 10 * 9;
}

/* Takes a place unless all `limit` are taken (0: no limit), whatever other threads do. */
static bool take_place(_Atomic int *places, int limit)
{
    int taken = atomic_load_explicit(places, memory_order_relaxed);

    do {
        if (limit != 0 && taken >= limit)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(places, &taken, taken + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

/* A listener's place that may be wanting comes before that of the process: a full listener never
   holds one of the process, not for a moment, so no other listener is refused one that is free.
   Without a limit of its own it comes after, so nobody ever reads more sessions than may be. */
bool places_reserve(struct worker *worker, struct listener_config *config)
{
    struct worker_shared *shared = worker->shared;
    bool is_limited = config->max_connections != 0;

    if (buffers_are_short(&shared->buffers) ||
        (is_limited && !take_place(&config->sessions, config->max_connections)))
        return false;
    if (!take_place(&shared->sessions, shared->max_connections)) {
        if (is_limited)
            atomic_fetch_sub_explicit(&config->sessions, 1, memory_order_relaxed);
        return false;
    }
    if (!is_limited)
        atomic_fetch_add_explicit(&config->sessions, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&worker->sessions, 1, memory_order_relaxed);
    return true;
}

void places_release(struct worker *worker, struct listener_config *config,
                    const struct addr *client)
{
    if (client != NULL)
        source_table_leave(worker->shared->sources, config, client);
    atomic_fetch_sub_explicit(&config->sessions, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&worker->shared->sessions, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&worker->sessions, 1, memory_order_relaxed);
}

void places_move(struct worker *from, struct worker *to)
{
    atomic_fetch_add_explicit(&to->sessions, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&from->sessions, 1, memory_order_relaxed);
}
