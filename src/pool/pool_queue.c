/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool_queue.c - who is called when.
 *
 * No place is missed. Whoever frees one takes it off `active` and then reads `length`; whoever
 * joins raises `length` and then reads `active` by a read-modify-write, which always meets the last
 * value. So in each pair one sees the other. All that follows is decided under the mutex: there are
 * never fewer calls on their way than there are free places, as far as there are waiters.
 */
#include "pool/pool_queue.h"

#include <limits.h>
#include <string.h>

#include "core/clock.h"
#include "core/fault.h"
#include "pool/pool.h"

bool pool_queue_init(struct pool_queue *queue)
{
    memset(queue, 0, sizeof(*queue));
    list_init(&queue->waiters);
    queue->is_made = pthread_mutex_init(&queue->mutex, NULL) == 0;
    return queue->is_made;
}

void pool_queue_release(struct pool_queue *queue)
{
    if (queue->is_made)
        pthread_mutex_destroy(&queue->mutex);
    queue->is_made = false;
}

void pool_caller_init(struct pool_caller *caller, void (*wake)(struct pool_caller *caller))
{
    pthread_mutex_init(&caller->mutex, NULL); /* without attributes it cannot fail on Linux */
    list_init(&caller->called);
    caller->wake = wake;
}

void pool_caller_release(struct pool_caller *caller)
{
    pthread_mutex_destroy(&caller->mutex);
}

unsigned pool_queue_length(const struct pool *pool)
{
    return atomic_load_explicit(&pool->queue.length, memory_order_relaxed);
}

bool pool_is_paused(const struct pool *pool)
{
    return atomic_load_explicit(&pool->queue.is_paused, memory_order_relaxed);
}

bool pool_queue_is_ahead(const struct pool *pool)
{
    return pool_queue_length(pool) != 0 || pool_is_paused(pool);
}

/* ---- places ------------------------------------------------------------------------------------
 */

static unsigned places_on(struct server *server, bool is_exact)
{
    int most = atomic_load_explicit(&server->max_connections, memory_order_relaxed);
    int active;

    if (most == 0)
        return UINT_MAX;
    active = is_exact ? atomic_fetch_add_explicit(&server->active, 0, memory_order_acq_rel)
                      : atomic_load_explicit(&server->active, memory_order_relaxed);
    return active < most ? (unsigned)(most - active) : 0;
}

/* An ejected server is tried when no other is left; with fail_open one that is down, too. */
static bool is_last_resort(const struct pool *pool, const struct server *server)
{
    return server_may_be_tried(server) &&
           (pool->options.fail_open ||
            atomic_load_explicit(&server->check, memory_order_relaxed) == SERVER_CHECK_UP);
}

/* Free places of the servers that pool_pick() would choose from; a server whose trial is due has
   one, for the trial. It counts up to `enough`. */
static unsigned open_places(const struct pool *pool, unsigned enough, bool is_exact)
{
    const struct pool_members *members = atomic_load_explicit(&pool->members, memory_order_acquire);
    bool is_any_out = atomic_load_explicit(&pool->out_count, memory_order_relaxed) != 0;
    int64_t now_ms = is_any_out ? clock_now_ms() : 0;
    unsigned places = 0;
    bool is_usable_seen = false;

    for (unsigned i = 0; i < members->tier_count && !is_usable_seen; i++) {
        const struct balance_tier *tier = &members->tiers[i];

        for (unsigned j = 0; j < tier->count && places < enough; j++) {
            unsigned here;

            if (!server_is_usable(tier->servers[j])) {
                places += is_any_out && pool_trial_is_due(tier->servers[j], now_ms);
                continue;
            }
            is_usable_seen = true;
            here = places_on(tier->servers[j], is_exact);
            places = here < enough - places ? places + here : enough;
        }
    }
    for (unsigned i = 0; i < members->server_count && !is_usable_seen && places < enough; i++) {
        unsigned here;

        if (!is_last_resort(pool, members->servers[i]))
            continue;
        here = places_on(members->servers[i], is_exact);
        places = here < enough - places ? places + here : enough;
    }
    return places;
}

/* ---- calls, all under the queue's mutex --------------------------------------------------------
 */

static void call(struct pool_queue *queue, struct pool_waiter *waiter)
{
    struct pool_caller *caller = waiter->caller;
    bool was_empty;

    waiter->is_called = true;
    queue->called++;
    pthread_mutex_lock(&caller->mutex);
    was_empty = list_is_empty(&caller->called);
    list_append(&caller->called, &waiter->call);
    pthread_mutex_unlock(&caller->mutex);
    if (was_empty)
        caller->wake(caller);
}

/* Calls waiters from this one on, while there are more free places than calls on their way. */
static void call_from(struct pool *pool, struct list_link *link, bool is_exact)
{
    struct pool_queue *queue = &pool->queue;
    unsigned length = atomic_load_explicit(&queue->length, memory_order_relaxed);
    unsigned places;

    if (length == queue->called || atomic_load_explicit(&queue->is_paused, memory_order_relaxed) ||
        fault_is(FAULT_QUEUE_NEVER_CALL))
        return;
    places = open_places(pool, length, is_exact);
    for (; link != &queue->waiters.head && queue->called < places; link = link->next) {
        struct pool_waiter *waiter = CONTAINER_OF(link, struct pool_waiter, link);

        if (!waiter->is_called)
            call(queue, waiter);
    }
}

static void call_first(struct pool *pool, bool is_exact)
{
    call_from(pool, pool->queue.waiters.head.next, is_exact);
}

static void withdraw_call(struct pool_queue *queue, struct pool_waiter *waiter)
{
    if (!waiter->is_called)
        return;
    waiter->is_called = false;
    queue->called--;
}

/* ---- the public side ---------------------------------------------------------------------------
 */

bool pool_queue_join(struct pool *pool, struct pool_waiter *waiter, struct pool_caller *caller)
{
    struct pool_queue *queue = &pool->queue;
    bool has_room;

    pthread_mutex_lock(&queue->mutex);
    has_room = pool_queue_length(pool) < (unsigned)pool->options.queue_size;
    if (has_room) {
        waiter->pool = pool;
        waiter->caller = caller;
        if (fault_is(FAULT_QUEUE_LAST_FIRST))
            list_insert_before(queue->waiters.head.next, &waiter->link);
        else
            list_append(&queue->waiters, &waiter->link);
        atomic_fetch_add_explicit(&queue->length, 1, memory_order_acq_rel);
        call_first(pool, true);
    }
    pthread_mutex_unlock(&queue->mutex);
    return has_room;
}

void pool_queue_leave(struct pool_waiter *waiter)
{
    struct pool *pool = waiter->pool;
    struct pool_queue *queue = &pool->queue;

    pthread_mutex_lock(&queue->mutex);
    withdraw_call(queue, waiter);
    pthread_mutex_lock(&waiter->caller->mutex);
    list_remove(&waiter->call);
    pthread_mutex_unlock(&waiter->caller->mutex);
    list_remove(&waiter->link);
    atomic_fetch_sub_explicit(&queue->length, 1, memory_order_acq_rel);
    call_first(pool, false);
    pthread_mutex_unlock(&queue->mutex);
}

void pool_queue_pass(struct pool_waiter *waiter)
{
    struct pool_queue *queue = &waiter->pool->queue;

    pthread_mutex_lock(&queue->mutex);
    call_from(waiter->pool, waiter->link.next, false);
    pthread_mutex_unlock(&queue->mutex);
}

struct pool_waiter *pool_caller_take(struct pool_caller *caller)
{
    struct pool_waiter *waiter;
    struct list_link *link;

    pthread_mutex_lock(&caller->mutex);
    link = list_take_first(&caller->called);
    pthread_mutex_unlock(&caller->mutex);
    if (link == NULL)
        return NULL;
    waiter = CONTAINER_OF(link, struct pool_waiter, call);
    /* Before it looks: whatever changes from now on is a new call. */
    pthread_mutex_lock(&waiter->pool->queue.mutex);
    withdraw_call(&waiter->pool->queue, waiter);
    pthread_mutex_unlock(&waiter->pool->queue.mutex);
    return waiter;
}

void pool_queue_changed(struct pool *pool)
{
    pthread_mutex_lock(&pool->queue.mutex);
    call_first(pool, false);
    pthread_mutex_unlock(&pool->queue.mutex);
}

static void set_paused(struct pool *pool, bool is_paused)
{
    pthread_mutex_lock(&pool->queue.mutex);
    atomic_store_explicit(&pool->queue.is_paused, is_paused, memory_order_seq_cst);
    call_first(pool, false);
    pthread_mutex_unlock(&pool->queue.mutex);
}

void pool_pause(struct pool *pool)
{
    set_paused(pool, true);
}

void pool_resume(struct pool *pool)
{
    set_paused(pool, false);
}
