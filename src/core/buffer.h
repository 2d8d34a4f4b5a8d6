/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buffer.h - bytes in flight, and the per-worker cache that lends them.
 *
 * A buffer holds what a destination did not take. It is borrowed when there is a residue and
 * returned when it is empty, so an idle session owns none. Buffers come in four sizes; each
 * worker keeps a few of each for itself. All workers together stay below one budget
 * ([limits] buffer_memory).
 */
#ifndef CULVERT_CORE_BUFFER_H
#define CULVERT_CORE_BUFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/counter.h"

/* The largest read, and so the largest residue of a copying flow. */
#define BUFFER_READ_BYTES ((size_t)65536)

/* The largest buffer: what a stalled flow's pipe may hold. */
#define BUFFER_LARGEST_BYTES ((size_t)262144)

/* Bytes [start, end) of `bytes` are held. */
struct buffer {
    struct buffer *next_free; /* while in a cache */
    uint32_t size_class;
    uint32_t start;
    uint32_t end;
    unsigned char bytes[];
};

/* Shared by all workers: how much is lent or cached, and the most that may be. */
struct buffer_budget {
    _Atomic size_t used_bytes;
    size_t limit_bytes;
    size_t margin_bytes; /* a read's worth for each worker: see buffer_is_scarce() */
};

#define BUFFER_CLASSES 4

struct buffer_cache {
    struct buffer_budget *budget;
    struct buffer *free[BUFFER_CLASSES];
    unsigned free_count[BUFFER_CLASSES];
    struct counter lent_bytes; /* gauge: capacity of all lent buffers */
};

enum buffer_answer {
    BUFFER_LENT,
    BUFFER_AT_LIMIT,  /* the budget is spent: wait until a buffer comes back */
    BUFFER_NO_MEMORY, /* malloc failed */
};

void buffer_cache_init(struct buffer_cache *cache, struct buffer_budget *budget);

/* Frees what the cache holds. Every buffer must have been returned. */
void buffer_cache_release(struct buffer_cache *cache);

/*
 * Lends an empty buffer for at least `bytes` (<= BUFFER_LARGEST_BYTES). Only BUFFER_LENT sets
 * `*buffer`; the borrower gives it back with buffer_return().
 */
enum buffer_answer buffer_borrow(struct buffer_cache *cache, size_t bytes,
                                 struct buffer **buffer) CULVERT_MUST_CHECK;

/*
 * The same for the residue of a read that buffer_is_scarce() allowed: never BUFFER_AT_LIMIT. What
 * several workers take at the same instant may pass the limit by the margin, no more.
 */
enum buffer_answer buffer_borrow_reserved(struct buffer_cache *cache, size_t bytes,
                                          struct buffer **buffer) CULVERT_MUST_CHECK;

/* Whether a read might leave a residue that the budget has no room for: do not read then. */
bool buffer_is_scarce(const struct buffer_cache *cache);

/* Takes a buffer back with whatever it still holds. NULL is allowed. */
void buffer_return(struct buffer_cache *cache, struct buffer *buffer);

/* How many bytes the buffer can hold in all. */
size_t buffer_capacity(const struct buffer *buffer);

/* How many bytes it holds now. */
static inline size_t buffer_held(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

#endif
