/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sni_source.c - a stamp tells whether to read; a map is taken whole or not at all.
 */
#include "config/sni_source.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/file_stamp.h"

struct sni_source *sni_source_create(const char *path, const struct sni_map *map)
{
    struct sni_source *source = calloc(1, sizeof(*source));

    if (source == NULL)
        return NULL;
    source->path = strdup(path);
    source->stamp = map->stamp;
    source->name_count = map->count;
    if (source->path == NULL) {
        free(source);
        return NULL;
    }
    return source;
}

void sni_source_destroy(struct sni_source *source)
{
    if (source == NULL)
        return;
    free(source->path);
    free(source->complaint);
    free(source);
}

/* ---- pools by name ------------------------------------------------------------------------ */

static int compare_pools(const void *a, const void *b)
{
    return strcmp((*(struct pool *const *)a)->name, (*(struct pool *const *)b)->name);
}

static int compare_name(const void *name, const void *pool)
{
    return strcmp(name, (*(struct pool *const *)pool)->name);
}

static bool add_all(struct name_map *names, const struct sni_map *map, struct pool **sorted,
                    unsigned count, struct error *error)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct sni_map_entry *entry = &map->entries[i];
        struct pool **found =
            bsearch(entry->pool, sorted, count, sizeof(struct pool *), compare_name);
        bool is_taken;

        if (found == NULL)
            return error_set(error, 0, "%s:%u: there is no [pool %.64s]", map->file->name,
                             entry->line, entry->pool);
        /* A name that stands twice was refused when the map was read. */
        if (!name_map_add(names, entry->name, *found, &is_taken) && !is_taken)
            return error_set(error, EX_OSERR, "out of memory");
    }
    return true;
}

struct name_map *sni_source_names(const struct sni_map *map, struct pool *pools, unsigned count,
                                  struct error *error)
{
    struct name_map *names = name_map_create();
    struct pool **sorted = calloc((size_t)count + 1, sizeof(struct pool *));
    bool is_good = names != NULL && sorted != NULL;

    if (is_good) {
        for (unsigned i = 0; i < count; i++)
            sorted[i] = &pools[i];
        qsort(sorted, count, sizeof(struct pool *), compare_pools);
        is_good = add_all(names, map, sorted, count, error);
    } else {
        error_set(error, EX_OSERR, "out of memory");
    }
    free(sorted);
    if (is_good)
        return names;
    name_map_destroy(names);
    return NULL;
}

/* ---- looks -------------------------------------------------------------------------------- */

/* The first of what was found wrong, with its place. */
static void tell_first(const struct diagnostics *diagnostics, struct error *error)
{
    const struct diagnostic *first = NULL;
    char place[300];

    for (size_t i = 0; i < diagnostics->count; i++) {
        if (first == NULL || diagnostics->list[i].order < first->order)
            first = &diagnostics->list[i];
    }
    if (first == NULL)
        error_set(error, 0, "out of memory");
    else if (first->origin.file == NULL)
        error_set(error, 0, "%s", first->text);
    else if (diagnostics->errors > 1)
        error_set(error, 0, "%s: %s (and %zu more)",
                  origin_text(&first->origin, place, sizeof(place)), first->text,
                  diagnostics->errors - 1);
    else
        error_set(error, 0, "%s: %s", origin_text(&first->origin, place, sizeof(place)),
                  first->text);
}

/* What was found wrong is in the file's lines: no want of a descriptor, of a right or of memory. */
static bool is_of_the_lines(const struct diagnostics *diagnostics)
{
    if (diagnostics->is_out_of_memory)
        return false;
    for (size_t i = 0; i < diagnostics->count; i++) {
        if (diagnostics->list[i].topic == TOPIC_FILE)
            return false;
    }
    return true;
}

/* `*is_settled`: this is what there is to know of the file with this stamp. */
static struct name_map *read_names(const struct sni_source *source, uint64_t stamp,
                                   struct pool *pools, unsigned count, bool *is_settled,
                                   struct error *error)
{
    const struct origin nowhere = {.file = NULL};
    struct source_files files = {0};
    struct diagnostics diagnostics = {0};
    struct sni_map *map = sni_map_read(source->path, &nowhere, &files, &diagnostics);
    struct name_map *names = NULL;

    if (map == NULL) {
        tell_first(&diagnostics, error);
        *is_settled = is_of_the_lines(&diagnostics);
    } else {
        names = sni_source_names(map, pools, count, error);
        *is_settled = names != NULL || error->exit_code != EX_OSERR;
    }
    sni_map_destroy(map);
    source_files_release(&files);
    diagnostics_release(&diagnostics);
    if (file_stamp(0, source->path) == stamp)
        return names;
    name_map_destroy(names);
    *is_settled = false;
    error_set(error, 0, "%s changes while it is read; the next look tries again", source->path);
    return NULL;
}

enum sni_look sni_source_look(struct sni_source *source, struct pool *pools, unsigned count,
                              bool force, struct name_map **fresh, struct error *error)
{
    uint64_t stamp = file_stamp(0, source->path);
    bool is_settled = false;

    *fresh = NULL;
    if (stamp == source->stamp && !force)
        return SNI_UNCHANGED;
    *fresh = read_names(source, stamp, pools, count, &is_settled, error);
    /* What could not be read for want of a descriptor is read at the next look. */
    if (is_settled)
        source->stamp = stamp;
    if (*fresh != NULL) {
        free(source->complaint);
        source->complaint = NULL;
        source->name_count = name_map_count(*fresh);
        source->succeeded++;
        return SNI_CHANGED;
    }
    if (!force && source->complaint != NULL && strcmp(source->complaint, error->text) == 0)
        return SNI_UNCHANGED;
    free(source->complaint);
    source->complaint = strdup(error->text);
    source->failed++;
    return SNI_BROKEN;
}
