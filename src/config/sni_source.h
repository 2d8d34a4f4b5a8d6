/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sni_source.h - the file of a listener's sni_map while culvert runs: whether it has changed, and
 * what it says now.
 *
 * The control thread's.
 */
#ifndef CULVERT_CONFIG_SNI_SOURCE_H
#define CULVERT_CONFIG_SNI_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"
#include "pool/pool.h"
#include "route/name_map.h"
#include "config/sni_map.h"

struct sni_source {
    char *path;
    uint64_t stamp;     /* of the file that was read last, be it right or wrong */
    size_t name_count;  /* in use */
    uint64_t succeeded; /* looks that brought new names */
    uint64_t failed;    /* looks at something broken: the names stayed */
    char *complaint;    /* about the file as it is, so that it is told once; or NULL */
};

enum sni_look { SNI_UNCHANGED, SNI_CHANGED, SNI_BROKEN };

/* Of a map that was read. NULL without memory. */
struct sni_source *sni_source_create(const char *path, const struct sni_map *map);

/* NULL is allowed. */
void sni_source_destroy(struct sni_source *source);

/* The names of a map with their pools, one of the first `count` of `pools`. NULL with the error
   set otherwise: it names the line, or has EX_OSERR without memory. */
struct name_map *sni_source_names(const struct sni_map *map, struct pool *pools, unsigned count,
                                  struct error *error);

/*
 * Looks at the file, and reads it when it has changed or `force` is set; a file that could not be
 * opened is tried at each look. `*fresh` is what it says, with SNI_CHANGED only. With SNI_BROKEN
 * the error is set; the same fault is told once, unless forced.
 */
enum sni_look sni_source_look(struct sni_source *source, struct pool *pools, unsigned count,
                              bool force, struct name_map **fresh, struct error *error);

#endif
