/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_set.c - sorted ranges of addresses, one array per address family.
 *
 * Two prefixes are either apart or one within the other; those within another are left out. So the
 * ranges are apart, there are never more of them than addresses, and halving an array of them takes
 * at most one step per bit of the address.
 */
#include "route/address_set.h"

#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* An address as a number. IPv4 has the lower 32 bits. */
struct key {
    uint64_t high;
    uint64_t low;
};

struct range {
    struct key first;
    struct key last;
};

struct ranges {
    struct range *items;
    size_t count;
};

struct address_set {
    struct ranges v4;
    struct ranges v6;
};

static int key_compare(const struct key *a, const struct key *b)
{
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return (a->low > b->low) - (a->low < b->low);
}

static struct key key_v4(const struct in_addr *v4)
{
    return (struct key){0, be32toh(v4->s_addr)};
}

static struct key key_v6(const struct in6_addr *v6)
{
    uint64_t halves[2];

    memcpy(halves, v6->s6_addr, sizeof(halves));
    return (struct key){be64toh(halves[0]), be64toh(halves[1])};
}

/* The last `count` bits, all set; `count` is 0 to 128. */
static struct key key_ones(unsigned count)
{
    struct key ones = {0, 0};

    if (count > 64)
        ones.high = UINT64_MAX >> (128 - count);
    if (count > 0)
        ones.low = count >= 64 ? UINT64_MAX : UINT64_MAX >> (64 - count);
    return ones;
}

static struct range range_of(struct key first, unsigned free_bits)
{
    struct key ones = key_ones(free_bits);

    return (struct range){first, {first.high | ones.high, first.low | ones.low}};
}

static void ranges_add(struct ranges *ranges, struct range range)
{
    ranges->items[ranges->count++] = range;
}

/* A range before those within it: by the first address, then the longer one. */
static int range_compare(const void *a_pointer, const void *b_pointer)
{
    const struct range *a = a_pointer;
    const struct range *b = b_pointer;
    int order = key_compare(&a->first, &b->first);

    return order != 0 ? order : key_compare(&b->last, &a->last);
}

/* Sorts the ranges, leaves out those within others, and gives back the room that is not needed. */
static void ranges_settle(struct ranges *ranges)
{
    struct range *fitting;
    size_t kept = 0;

    qsort(ranges->items, ranges->count, sizeof(*ranges->items), range_compare);
    for (size_t i = 0; i < ranges->count; i++) {
        if (kept > 0 && key_compare(&ranges->items[i].first, &ranges->items[kept - 1].last) <= 0)
            continue;
        ranges->items[kept++] = ranges->items[i];
    }
    ranges->count = kept;
    fitting = realloc(ranges->items, (kept + 1) * sizeof(*fitting));
    if (fitting != NULL)
        ranges->items = fitting;
}

static bool ranges_contain(const struct ranges *ranges, struct key key)
{
    size_t from = 0;
    size_t to = ranges->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct range *range = &ranges->items[middle];

        if (key_compare(&key, &range->first) < 0)
            to = middle;
        else if (key_compare(&key, &range->last) > 0)
            from = middle + 1;
        else
            return true;
    }
    return false;
}

struct address_set *address_set_create(const struct prefix *prefixes, size_t count)
{
    struct address_set *set = calloc(1, sizeof(*set));
    size_t v6_count = 0;

    if (set == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        v6_count += prefixes[i].family == AF_INET6;
    set->v4.items = malloc((count + 1) * sizeof(struct range));
    set->v6.items = malloc((v6_count + 1) * sizeof(struct range));
    if (set->v4.items == NULL || set->v6.items == NULL) {
        address_set_destroy(set);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        const struct prefix *prefix = &prefixes[i];

        if (prefix->family == AF_INET)
            ranges_add(&set->v4, range_of(key_v4(&prefix->v4), 32U - prefix->bits));
        else if (prefix->bits >= 96 && IN6_IS_ADDR_V4MAPPED(&prefix->v6))
            ranges_add(&set->v4, range_of((struct key){0, key_v6(&prefix->v6).low & UINT32_MAX},
                                          128U - prefix->bits));
        else
            ranges_add(&set->v6, range_of(key_v6(&prefix->v6), 128U - prefix->bits));
    }
    ranges_settle(&set->v4);
    ranges_settle(&set->v6);
    return set;
}

void address_set_destroy(struct address_set *set)
{
    if (set == NULL)
        return;
    free(set->v4.items);
    free(set->v6.items);
    free(set);
}

bool address_set_contains(const struct address_set *set, const struct addr *addr)
{
    if (addr->family == AF_INET)
        return ranges_contain(&set->v4, key_v4(&addr->v4));
    if (addr->family != AF_INET6)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&addr->v6))
        return ranges_contain(&set->v4, (struct key){0, key_v6(&addr->v6).low & UINT32_MAX});
    return ranges_contain(&set->v6, key_v6(&addr->v6));
}
