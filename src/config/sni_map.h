/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sni_map.h - a file of names that clients ask for, and the pools that serve them.
 *
 * One "NAME POOL" per line; '#' starts a comment. Names are exact or *.NAME, and stand once.
 */
#ifndef CULVERT_CONFIG_SNI_MAP_H
#define CULVERT_CONFIG_SNI_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/source_file.h"

/* The largest map that is read. */
#define SNI_MAP_MAX_BYTES ((size_t)64 << 20)

struct sni_map_entry {
    const char *name; /* lower case, without a trailing dot */
    const char *pool;
    unsigned line;
    unsigned pool_column;
};

struct sni_map {
    const struct source_file *file; /* kept by the configuration */
    char *words;                    /* what the entries point into */
    struct sni_map_entry *entries;  /* in the order of the file */
    size_t count;
    uint64_t stamp; /* of the file, from before it was read */
};

/*
 * Reads the map at `path`, which stands at `origin`. Whether its pools exist is not looked at. NULL
 * after a report to `diagnostics`, which gets every line that is wrong, each with its place.
 */
struct sni_map *sni_map_read(const char *path, const struct origin *origin,
                             struct source_files *files, struct diagnostics *diagnostics);

/* NULL is allowed. */
void sni_map_destroy(struct sni_map *map);

/* Where an entry's pool stands. */
struct origin sni_map_entry_origin(const struct sni_map *map, const struct sni_map_entry *entry);

#endif
