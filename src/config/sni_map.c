/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sni_map.c - from the text of a map to its entries, in one pass, and a table for names that stand
 * twice.
 */
#include "config/sni_map.h"

#include <stdlib.h>
#include <string.h>

/* The table's code must not end the process when memory runs out: claim_name() looks. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "core/file_stamp.h"
#include "core/text.h"
#include "config/value_tls.h"

struct known_name {
    const struct sni_map_entry *entry;
    UT_hash_handle hh;
};

struct reader {
    struct sni_map *map;
    struct diagnostics *diagnostics;
    struct known_name *names; /* one per entry, room for as many as there are lines */
    struct known_name *table;
    char *end; /* of the words so far */
    bool is_good;
};

static void report(struct reader *reader, const struct origin *origin, const char *word,
                   size_t length, const char *fault)
{
    int shown = length > 256 ? 256 : (int)length;

    diagnostics_error(reader->diagnostics, TOPIC_VALUE, origin, "'%.*s': %s", shown, word, fault);
    reader->is_good = false;
}

/* The next word of a line: what is neither blank nor comment. */
static bool next_word(const char *line, size_t length, size_t *first, size_t *last)
{
    *first = *last;
    while (*first < length && (line[*first] == ' ' || line[*first] == '\t'))
        (*first)++;
    if (*first == length || line[*first] == '#')
        return false;
    *last = *first;
    while (*last < length && line[*last] != ' ' && line[*last] != '\t')
        (*last)++;
    return true;
}

/* Copies a word behind those that are there. */
static char *keep_word(struct reader *reader, const char *word, size_t length)
{
    char *copy = reader->end;

    memcpy(copy, word, length);
    copy[length] = '\0';
    reader->end += length + 1;
    return copy;
}

static void claim_name(struct reader *reader, const struct sni_map_entry *entry,
                       const struct origin *origin)
{
    struct known_name *name = &reader->names[reader->map->count];
    struct known_name *other;

    HASH_FIND_STR(reader->table, entry->name, other);
    if (other != NULL) {
        diagnostics_error(reader->diagnostics, TOPIC_TWICE, origin,
                          "'%s' is there twice (first in line %u)", entry->name,
                          other->entry->line);
        reader->is_good = false;
        return;
    }
    name->entry = entry;
    HASH_ADD_KEYPTR(hh, reader->table, entry->name, strlen(entry->name), name);
    if (name->hh.tbl == NULL)
        reader->is_good = diagnostics_out_of_memory(reader->diagnostics);
    else
        reader->map->count++;
}

static void read_line(struct reader *reader, const char *line, size_t length, unsigned number)
{
    struct sni_map_entry *entry = &reader->map->entries[reader->map->count];
    struct origin origin = {.file = reader->map->file, .line = number};
    size_t first;
    size_t last = 0;

    if (!next_word(line, length, &first, &last))
        return;
    origin.column = (unsigned)first + 1;
    origin.length = (unsigned)(last - first);
    /* A NUL byte would cut the copy short; it is no byte of a name. */
    if (memchr(line, '\0', length) != NULL) {
        report(reader, &origin, line + first, last - first, "there is a NUL byte in this line");
        return;
    }
    char *name = keep_word(reader, line + first, last - first);
    const char *fault = strcmp(name, "-") == 0 ? "clients without a name are for a [route NAME]"
                                               : value_sni_fault(name);
    if (fault != NULL) {
        report(reader, &origin, name, strlen(name), fault);
        return;
    }
    text_fold_name(name, name, strlen(name)); /* as a router compares names */
    if (!next_word(line, length, &first, &last)) {
        report(reader, &origin, name, strlen(name), "a pool is missing behind the name");
        return;
    }
    *entry =
        (struct sni_map_entry){.name = name, .line = number, .pool_column = (unsigned)first + 1};
    entry->pool = keep_word(reader, line + first, last - first);
    if (next_word(line, length, &first, &last)) {
        struct origin third = origin;

        third.column = (unsigned)first + 1;
        third.length = (unsigned)(last - first);
        report(reader, &third, line + first, last - first,
               "this is one word too many; a line is NAME POOL");
        return;
    }
    claim_name(reader, entry, &origin);
}

static void read_lines(struct reader *reader)
{
    const struct source_file *file = reader->map->file;
    const char *end = file->text + file->length;
    unsigned number = 1;

    for (const char *line = file->text; line < end; number++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((newline == NULL ? end : newline) - line);

        if (length > 0 && line[length - 1] == '\r')
            length--;
        read_line(reader, line, length, number);
        line = newline == NULL ? end : newline + 1;
    }
}

static size_t count_lines(const struct source_file *file)
{
    const char *end = file->text + file->length;
    size_t count = 1;

    for (const char *at = file->text; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        count++;
    return count;
}

struct sni_map *sni_map_read(const char *path, const struct origin *origin,
                             struct source_files *files, struct diagnostics *diagnostics)
{
    uint64_t stamp = file_stamp(0, path);
    struct error error = {0};
    const struct source_file *file = source_file_read_large(files, path, SNI_MAP_MAX_BYTES, &error);

    if (file == NULL) {
        diagnostics_error(diagnostics, TOPIC_FILE, origin, "%s %s", path, error.text);
        return NULL;
    }
    struct sni_map *map = calloc(1, sizeof(*map));
    size_t lines = count_lines(file);
    struct reader reader = {.map = map,
                            .diagnostics = diagnostics,
                            .names = calloc(lines, sizeof(*reader.names)),
                            .is_good = true};
    if (map != NULL) {
        map->file = file;
        map->stamp = stamp;
        /* Each word has a byte behind it in the text, or the text's end. */
        map->words = malloc(file->length + 1);
        map->entries = calloc(lines, sizeof(*map->entries));
    }
    if (map == NULL || reader.names == NULL || map->words == NULL || map->entries == NULL) {
        reader.is_good = diagnostics_out_of_memory(diagnostics);
    } else {
        reader.end = map->words;
        read_lines(&reader);
    }
    HASH_CLEAR(hh, reader.table);
    free(reader.names);
    if (!reader.is_good) {
        sni_map_destroy(map);
        return NULL;
    }
    return map;
}

void sni_map_destroy(struct sni_map *map)
{
    if (map == NULL)
        return;
    free(map->words);
    free(map->entries);
    free(map);
}

struct origin sni_map_entry_origin(const struct sni_map *map, const struct sni_map_entry *entry)
{
    return (struct origin){.file = map->file,
                           .line = entry->line,
                           .column = entry->pool_column,
                           .length = (unsigned)strlen(entry->pool)};
}
