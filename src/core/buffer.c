/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buffer.c - four size classes behind a small per-worker cache.
 */
#include "core/buffer.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const size_t class_bytes[BUFFER_CLASSES] = {4096, 16384, BUFFER_READ_BYTES,
                                                   BUFFER_LARGEST_BYTES};

/* The most idle buffers of each class that a worker keeps: 400 KiB in all. */
static const unsigned class_cached[BUFFER_CLASSES] = {4, 4, 1, 1};

static bool budget_take(struct buffer_budget *budget, size_t bytes)
{
    size_t used = atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);

    do {
        if (used + bytes > budget->limit_bytes)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used_bytes, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/*
 * Whether the last eighth of the budget is touched, or the room for the reads under way: then no
 * worker keeps idle buffers. Otherwise all flows could wait for memory in which nothing is held.
 */
static bool budget_is_nearly_spent(const struct buffer_budget *budget)
{
    size_t spare = budget->limit_bytes / 8;

    if (spare < budget->margin_bytes)
        spare = budget->margin_bytes;
    return atomic_load_explicit(&budget->used_bytes, memory_order_relaxed) + spare >
           budget->limit_bytes;
}

static void buffer_free(struct buffer_cache *cache, struct buffer *buffer)
{
    atomic_fetch_sub_explicit(&cache->budget->used_bytes, buffer_capacity(buffer),
                              memory_order_relaxed);
    free(buffer);
}

static void cache_empty(struct buffer_cache *cache)
{
    for (unsigned i = 0; i < BUFFER_CLASSES; i++) {
        while (cache->free[i] != NULL) {
            struct buffer *buffer = cache->free[i];

            cache->free[i] = buffer->next_free;
            buffer_free(cache, buffer);
        }
        cache->free_count[i] = 0;
    }
}

void buffer_cache_init(struct buffer_cache *cache, struct buffer_budget *budget)
{
    memset(cache, 0, sizeof(*cache));
    cache->budget = budget;
}

void buffer_cache_release(struct buffer_cache *cache)
{
    if (cache->budget != NULL)
        cache_empty(cache);
}

static enum buffer_answer borrow(struct buffer_cache *cache, size_t bytes, bool is_reserved,
                                 struct buffer **buffer)
{
    unsigned size_class = 0;
    struct buffer *lent;

    assert(bytes <= BUFFER_LARGEST_BYTES);
    while (class_bytes[size_class] < bytes)
        size_class++;

    lent = cache->free[size_class];
    if (lent != NULL) {
        cache->free[size_class] = lent->next_free;
        cache->free_count[size_class]--;
    } else {
        if (!budget_take(cache->budget, class_bytes[size_class])) {
            /* What this worker keeps in reserve must not starve it. */
            cache_empty(cache);
            if (is_reserved)
                atomic_fetch_add_explicit(&cache->budget->used_bytes, class_bytes[size_class],
                                          memory_order_relaxed);
            else if (!budget_take(cache->budget, class_bytes[size_class]))
                return BUFFER_AT_LIMIT;
        }
        lent = malloc(sizeof(*lent) + class_bytes[size_class]);
        if (lent == NULL) {
            atomic_fetch_sub_explicit(&cache->budget->used_bytes, class_bytes[size_class],
                                      memory_order_relaxed);
            return BUFFER_NO_MEMORY;
        }
        lent->size_class = size_class;
    }
    lent->next_free = NULL;
    lent->start = 0;
    lent->end = 0;
    counter_add(&cache->lent_bytes, class_bytes[size_class]);
    *buffer = lent;
    return BUFFER_LENT;
}

enum buffer_answer buffer_borrow(struct buffer_cache *cache, size_t bytes, struct buffer **buffer)
{
    return borrow(cache, bytes, false, buffer);
}

enum buffer_answer buffer_borrow_reserved(struct buffer_cache *cache, size_t bytes,
                                          struct buffer **buffer)
{
    return borrow(cache, bytes, true, buffer);
}

bool buffer_is_scarce(const struct buffer_cache *cache)
{
    size_t used = atomic_load_explicit(&cache->budget->used_bytes, memory_order_relaxed);

    return used + cache->budget->margin_bytes > cache->budget->limit_bytes;
}

void buffer_return(struct buffer_cache *cache, struct buffer *buffer)
{
    if (buffer == NULL)
        return;
    counter_subtract(&cache->lent_bytes, buffer_capacity(buffer));
    if (cache->free_count[buffer->size_class] >= class_cached[buffer->size_class] ||
        budget_is_nearly_spent(cache->budget)) {
        buffer_free(cache, buffer);
        return;
    }
    buffer->next_free = cache->free[buffer->size_class];
    cache->free[buffer->size_class] = buffer;
    cache->free_count[buffer->size_class]++;
}

size_t buffer_capacity(const struct buffer *buffer)
{
    return class_bytes[buffer->size_class];
}
