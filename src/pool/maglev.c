/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maglev.c - laying out the table, and the walk through it.
 *
 * Any change of what is hashed here moves every client of every user: docs/reference/maglev.md has
 * the vector that tests/unit/pool/test_maglev.c holds this file to.
 */
#include "pool/maglev.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SEED_OFFSET 1
#define SEED_SKIP 2
#define SEED_KEY 3

#define NO_ENTRY UINT16_MAX

/* One server while the table is laid out: it asks for the slots next, next + skip, … */
struct claimant {
    const struct maglev_entry *entry;
    unsigned next;
    unsigned skip;
    unsigned taken; /* slots it has */
};

bool maglev_is_prime(unsigned number)
{
    if (number < 2)
        return false;
    for (unsigned divisor = 2; (uint64_t)divisor * divisor <= number; divisor++) {
        if (number % divisor == 0)
            return false;
    }
    return true;
}

unsigned maglev_next_prime(unsigned number)
{
    while (!maglev_is_prime(number))
        number++;
    return number;
}

uint64_t maglev_hash(const void *key, size_t size)
{
    return XXH3_64bits_withSeed(key, size, SEED_KEY);
}

static int compare_claimants(const void *a, const void *b)
{
    const struct maglev_entry *left = ((const struct claimant *)a)->entry;
    const struct maglev_entry *right = ((const struct claimant *)b)->entry;
    int order = strcmp(left->name, right->name);

    return order != 0 ? order : strcmp(left->addr, right->addr);
}

/* Hashes the name, a zero byte and the address. False without memory. */
static bool place_claimant(struct claimant *claimant, unsigned size)
{
    size_t name = strlen(claimant->entry->name) + 1;
    size_t addr = strlen(claimant->entry->addr);
    char *identity = malloc(name + addr + 1);

    if (identity == NULL)
        return false;
    memcpy(identity, claimant->entry->name, name);
    memcpy(identity + name, claimant->entry->addr, addr);
    claimant->next = (unsigned)(XXH3_64bits_withSeed(identity, name + addr, SEED_OFFSET) % size);
    claimant->skip =
        (unsigned)(XXH3_64bits_withSeed(identity, name + addr, SEED_SKIP) % (size - 1)) + 1;
    free(identity);
    return true;
}

/* The first slot on its way that nobody has. As `size` is a prime the way leads to all of them. */
static void take_slot(struct maglev *maglev, struct claimant *claimant, uint16_t index)
{
    unsigned slot = claimant->next;

    while (maglev->slots[slot] != NO_ENTRY)
        slot = (unsigned)(((uint64_t)slot + claimant->skip) % maglev->size);
    maglev->slots[slot] = index;
    claimant->next = (unsigned)(((uint64_t)slot + claimant->skip) % maglev->size);
    claimant->taken++;
}

/*
 * In every round each server has a turn, in sorted order, and takes a slot unless it has its share
 * of the rounds so far: the heaviest takes one in each, the others as often as their weight says.
 */
static void fill_slots(struct maglev *maglev, struct claimant *claimants,
                       const struct maglev_entry *entries)
{
    unsigned heaviest = 0;
    unsigned filled = 0;

    for (unsigned i = 0; i < maglev->count; i++) {
        if (claimants[i].entry->weight > heaviest)
            heaviest = claimants[i].entry->weight;
    }
    for (uint64_t round = 1; filled < maglev->size; round++) {
        for (unsigned i = 0; i < maglev->count && filled < maglev->size; i++) {
            struct claimant *claimant = &claimants[i];

            if ((uint64_t)claimant->taken * heaviest >= round * claimant->entry->weight)
                continue;
            take_slot(maglev, claimant, (uint16_t)(claimant->entry - entries));
            filled++;
        }
    }
}

static bool place_claimants(struct claimant *claimants, const struct maglev_entry *entries,
                            unsigned count, unsigned size)
{
    for (unsigned i = 0; i < count; i++) {
        claimants[i].entry = &entries[i];
        if (!place_claimant(&claimants[i], size))
            return false;
    }
    qsort(claimants, count, sizeof(*claimants), compare_claimants);
    return true;
}

bool maglev_init(struct maglev *maglev, const struct maglev_entry *entries, unsigned count,
                 unsigned size)
{
    struct claimant *claimants = calloc(count, sizeof(*claimants));

    assert(count >= 1 && count < NO_ENTRY && maglev_is_prime(size));
    *maglev = (struct maglev){.size = size, .count = count};
    maglev->slots = malloc(size * sizeof(*maglev->slots));
    maglev->order = malloc(count * sizeof(*maglev->order));
    if (claimants == NULL || maglev->slots == NULL || maglev->order == NULL ||
        !place_claimants(claimants, entries, count, size)) {
        free(claimants);
        maglev_release(maglev);
        return false;
    }
    for (unsigned i = 0; i < count; i++)
        maglev->order[i] = (uint16_t)(claimants[i].entry - entries);
    for (unsigned i = 0; i < size; i++)
        maglev->slots[i] = NO_ENTRY;
    fill_slots(maglev, claimants, entries);
    free(claimants);
    return true;
}

void maglev_release(struct maglev *maglev)
{
    free(maglev->slots);
    free(maglev->order);
    *maglev = (struct maglev){0};
}

struct maglev_walk maglev_walk_begin(const struct maglev *maglev, uint64_t hash)
{
    return (struct maglev_walk){
        .maglev = maglev,
        .hash = hash,
        .slot = (unsigned)(hash % maglev->size),
        .stride = (unsigned)((hash >> 32) % (maglev->size - 1)) + 1,
    };
}

int maglev_walk_next(struct maglev_walk *walk)
{
    const struct maglev *maglev = walk->maglev;
    unsigned step = walk->step;
    unsigned slot = walk->slot;

    if (step >= MAGLEV_PROBES + maglev->count)
        return -1;
    walk->step++;
    if (step >= MAGLEV_PROBES)
        return maglev->order[(walk->hash % maglev->count + step - MAGLEV_PROBES) % maglev->count];
    walk->slot = slot + walk->stride < maglev->size ? slot + walk->stride
                                                    : slot + walk->stride - maglev->size;
    return maglev->slots[slot];
}
