/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maglev.h - the same key, the same server, on every replica.
 *
 * A table of consistent hashing after Google's Maglev. It follows from the names, addresses and
 * weights of the servers alone, in whatever order they are given; what is hashed, and with which
 * seeds, is written in docs/reference/maglev.md, with a test vector, and does not change.
 *
 * The table knows nothing of health. A look-up walks along a list that belongs to the key, and
 * whoever looks takes the first server there that will do: while one is down only its keys move,
 * and they come back with it.
 *
 * Read-only once made: any thread may walk.
 */
#ifndef CULVERT_POOL_MAGLEV_H
#define CULVERT_POOL_MAGLEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

/* Sizes that a table may have; all are primes. The least is more than a pool may have servers. */
#define MAGLEV_SIZE_LEAST 4099
#define MAGLEV_SIZE_MOST 1048573

/* Slots that a walk looks at before it goes through the servers one by one. */
#define MAGLEV_PROBES 64

struct maglev_entry {
    const char *name;
    const char *addr; /* as text */
    unsigned weight;  /* at least 1 */
};

struct maglev {
    uint16_t *slots; /* indexes of the entries that it was made of */
    unsigned size;
    uint16_t *order; /* the entries by name, then address */
    unsigned count;
};

bool maglev_is_prime(unsigned number);

/* The least prime that is not below `number`. */
unsigned maglev_next_prime(unsigned number);

/* Lays out a table of `size` (a prime) slots for at least one entry. False without memory. */
bool maglev_init(struct maglev *maglev, const struct maglev_entry *entries, unsigned count,
                 unsigned size) CULVERT_MUST_CHECK;

/* Harmless on a zeroed one. */
void maglev_release(struct maglev *maglev);

uint64_t maglev_hash(const void *key, size_t size);

/* Where a key's list has been read to. */
struct maglev_walk {
    const struct maglev *maglev;
    uint64_t hash;
    unsigned slot;
    unsigned stride;
    unsigned step;
};

struct maglev_walk maglev_walk_begin(const struct maglev *maglev, uint64_t hash);

/* The next entry of the key's list: an index, or -1 behind the last. Every entry comes at least
   once, most of them several times. */
int maglev_walk_next(struct maglev_walk *walk);

#endif
