/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_map.c - a table of names, and how many threads may still look at it.
 */
#include "route/name_map.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "route/sni_table.h"

struct name_map {
    struct sni_table *table;
    _Atomic int holders; /* once it was replaced: workers that may look at it */
    struct name_map *next;
};

struct name_map *name_map_create(void)
{
    struct name_map *map = calloc(1, sizeof(*map));

    if (map == NULL)
        return NULL;
    map->table = sni_table_create();
    if (map->table == NULL) {
        free(map);
        return NULL;
    }
    return map;
}

void name_map_destroy(struct name_map *map)
{
    if (map == NULL)
        return;
    sni_table_destroy(map->table);
    free(map);
}

bool name_map_add(struct name_map *map, const char *name, struct pool *pool, bool *is_taken)
{
    struct sni_entry *entry = sni_table_at(map->table, name);

    *is_taken = entry != NULL && entry->pool != NULL;
    if (entry == NULL || *is_taken)
        return false;
    entry->pool = pool;
    return true;
}

size_t name_map_count(const struct name_map *map)
{
    return sni_table_count(map->table);
}

static struct pool *pool_of(const struct sni_entry *entry)
{
    return entry == NULL ? NULL : entry->pool;
}

struct pool *name_map_exact(const struct name_map *map, const char *name)
{
    return pool_of(sni_table_find(map->table, name));
}

struct pool *name_map_wildcard(const struct name_map *map, const char *name)
{
    return pool_of(sni_table_find_wildcard(map->table, name));
}

void name_map_retire(struct name_map *map, int workers, struct name_map **list)
{
    atomic_store_explicit(&map->holders, workers, memory_order_relaxed);
    map->next = *list;
    *list = map;
}

void name_map_leave(struct name_map *map)
{
    /* What this worker read of it comes before its end. */
    atomic_fetch_sub_explicit(&map->holders, 1, memory_order_release);
}

void name_map_reclaim(struct name_map **list)
{
    struct name_map **link = list;

    while (*link != NULL) {
        struct name_map *map = *link;

        if (atomic_load_explicit(&map->holders, memory_order_acquire) > 0) {
            link = &map->next;
            continue;
        }
        *link = map->next;
        name_map_destroy(map);
    }
}

void name_map_destroy_list(struct name_map **list)
{
    while (*list != NULL) {
        struct name_map *map = *list;

        *list = map->next;
        name_map_destroy(map);
    }
}
