/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_map.h - the names of an sni_map, each with the pool that serves it.
 *
 * Fixed once a router has it. When the file has changed, the control thread makes a new one and
 * publishes it; workers load the router's pointer for a choice and never keep it across turns of
 * their loop, so the old one is free once each worker has taken a message that was posted after the
 * publishing.
 */
#ifndef CULVERT_ROUTE_NAME_MAP_H
#define CULVERT_ROUTE_NAME_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"
#include "pool/pool.h"

struct name_map;

/* NULL without memory. */
struct name_map *name_map_create(void);

/* For maps that were never published. NULL is allowed. */
void name_map_destroy(struct name_map *map);

/* Adds "api.example.com" or "*.example.com", in any case. False when it is there already
   (`*is_taken`) or without memory. */
bool name_map_add(struct name_map *map, const char *name, struct pool *pool,
                  bool *is_taken) CULVERT_MUST_CHECK;

size_t name_map_count(const struct name_map *map);

/* The pool of just this name; of the wildcard that holds it. NULL: none. The name is in lower case
   without a trailing dot. */
struct pool *name_map_exact(const struct name_map *map, const char *name);
struct pool *name_map_wildcard(const struct name_map *map, const char *name);

/* ---- once it was replaced ----------------------------------------------------------------------
 */

/* Puts the map on a list of replaced ones, at which `workers` threads may still look. */
void name_map_retire(struct name_map *map, int workers, struct name_map **list);

/* A worker has passed the publishing. Any thread. */
void name_map_leave(struct name_map *map);

/* Frees those of the list that nobody looks at. */
void name_map_reclaim(struct name_map **list);

/* Frees all; no thread may look at them any more. */
void name_map_destroy_list(struct name_map **list);

#endif
