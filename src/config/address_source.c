/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_source.c - stamps of files tell whether to read them; a list is swapped whole.
 */
#include "config/address_source.h"

#include <stdlib.h>
#include <string.h>

#include "core/fault.h"
#include "core/file_stamp.h"
#include "config/value.h"

static bool add_all(struct prefix_array *array, const struct prefix_array *more)
{
    for (size_t i = 0; i < more->count; i++) {
        if (!prefix_array_add(array, &more->items[i]))
            return false;
    }
    return true;
}

static bool is_file(const struct item *item)
{
    return item->text[0] == '@';
}

/* Sorts the items into prefixes and files, and collects the prefixes of both in `all`. */
static bool take_items(struct address_source *source, const struct setting *setting,
                       struct prefix_array *all)
{
    source->files = calloc(setting->count + 1, sizeof(*source->files));
    if (source->files == NULL)
        return false;
    for (size_t i = 0; i < setting->count; i++) {
        const struct item *item = &setting->items[i];
        struct address_file *file = &source->files[source->file_count];

        if (!add_all(all, &item->prefixes))
            return false;
        if (!is_file(item)) {
            if (!add_all(&source->written, &item->prefixes))
                return false;
            continue;
        }
        file->path = strdup(item->text + 1);
        file->stamp = item->stamp;
        if (file->path == NULL)
            return false;
        source->file_count++;
    }
    return true;
}

struct address_source *address_source_create(const char *section, const char *key,
                                             const struct setting *setting)
{
    struct address_source *source = calloc(1, sizeof(*source));
    struct prefix_array all = {0};
    struct address_set *set = NULL;

    if (source == NULL)
        return NULL;
    source->key = key;
    source->section = strdup(section);
    if (source->section != NULL && take_items(source, setting, &all))
        set = address_set_create(all.items, all.count);
    source->prefix_count = all.count;
    free(all.items);
    address_list_init(&source->list, set);
    if (set == NULL) {
        address_source_destroy(source);
        return NULL;
    }
    return source;
}

void address_source_destroy(struct address_source *source)
{
    if (source == NULL)
        return;
    address_list_release(&source->list);
    for (size_t i = 0; i < source->file_count; i++)
        free(source->files[i].path);
    free(source->files);
    free(source->written.items);
    free(source->section);
    free(source->complaint);
    free(source);
}

/* The same complaint is told once. */
static enum address_look complain(struct address_source *source, bool force,
                                  const struct error *error)
{
    if (!force && source->complaint != NULL && strcmp(source->complaint, error->text) == 0)
        return ADDRESSES_UNCHANGED;
    free(source->complaint);
    source->complaint = strdup(error->text);
    source->failed++;
    return ADDRESSES_BROKEN;
}

/* Whether a file has changed since its stamp in `stamps`, which are brought up to date. */
static bool has_changed(const struct address_source *source, uint64_t *stamps)
{
    bool is_other = false;

    for (size_t i = 0; i < source->file_count; i++) {
        uint64_t stamp = file_stamp(0, source->files[i].path);

        is_other |= stamp != stamps[i];
        stamps[i] = stamp;
    }
    return is_other;
}

/* Reads all files into `all`. `*is_settled`: this is what there is to know of them as they are. */
static bool read_files(const struct address_source *source, uint64_t *stamps,
                       struct prefix_array *all, bool *is_settled, struct error *error)
{
    bool is_good = true;

    *is_settled = true;
    for (size_t i = 0; i < source->file_count && is_good; i++)
        is_good = prefix_file_read(source->files[i].path, all, is_settled, error);
    if (is_good)
        *is_settled = true;
    if (!has_changed(source, stamps))
        return is_good;
    *is_settled = false;
    return error_set(error, 0, "a file changes while it is read; the next look tries again");
}

static bool build(const struct address_source *source, struct prefix_array *all,
                  struct address_set **set, struct error *error)
{
    *set = NULL;
    if (add_all(all, &source->written))
        *set = address_set_create(all->items, all->count);
    return *set != NULL || error_set(error, 0, "out of memory");
}

enum address_look address_source_look(struct address_source *source, bool force,
                                      struct error *error)
{
    uint64_t *stamps;
    struct prefix_array all = {0};
    struct address_set *set = NULL;
    bool is_settled = false;
    bool is_good = false;

    if (source->file_count == 0)
        return ADDRESSES_UNCHANGED;
    stamps = calloc(source->file_count, sizeof(*stamps));
    if (stamps == NULL) {
        error_set(error, 0, "out of memory");
        return complain(source, force, error);
    }
    for (size_t i = 0; i < source->file_count; i++)
        stamps[i] = source->files[i].stamp;
    if (!has_changed(source, stamps) && !force) {
        free(stamps);
        return ADDRESSES_UNCHANGED;
    }
    if (read_files(source, stamps, &all, &is_settled, error) || fault_is(FAULT_LIST_TAKE_BROKEN)) {
        is_good = build(source, &all, &set, error);
        is_settled = is_good;
    }
    for (size_t i = 0; i < source->file_count && is_settled; i++)
        source->files[i].stamp = stamps[i];
    free(stamps);
    free(all.items);
    if (!is_good)
        return complain(source, force, error);
    address_list_replace(&source->list, set);
    source->prefix_count = all.count;
    source->changed++;
    free(source->complaint);
    source->complaint = NULL;
    return ADDRESSES_CHANGED;
}
