/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_prefix.c - one prefix, or a file of them.
 */
#include "config/value_prefix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "net/addr.h"
#include "config/value.h"

static bool add_prefix(struct item *item, const char *string, size_t length,
                       const struct origin *origin, struct diagnostics *diagnostics)
{
    struct error error = {0};
    struct prefix prefix;

    if (!prefix_parse(string, length, &prefix, &error)) {
        diagnostics_error(diagnostics, TOPIC_VALUE, origin, "%s", error.text);
        return false;
    }
    /* The array doubles whenever the count is a power of two. */
    if ((item->prefix_count & (item->prefix_count - 1)) == 0) {
        size_t capacity = item->prefix_count == 0 ? 1 : 2 * item->prefix_count;
        struct prefix *more = realloc(item->prefixes, capacity * sizeof(*more));

        if (more == NULL)
            return diagnostics_out_of_memory(diagnostics);
        item->prefixes = more;
    }
    item->prefixes[item->prefix_count++] = prefix;
    return true;
}

static bool add_lines(struct item *item, const struct source_file *file,
                      struct diagnostics *diagnostics)
{
    const char *end = file->text + file->length;
    bool is_good = true;
    unsigned number = 1;

    for (const char *line = file->text; line < end && is_good; number++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((newline == NULL ? end : newline) - line);
        size_t first = 0;
        size_t last = 0;

        while (first < length && strchr(" \t\r", line[first]) != NULL && line[first] != '\0')
            first++;
        for (last = first; last < length && line[last] != '#'; last++)
            ;
        while (last > first && strchr(" \t\r", line[last - 1]) != NULL && line[last - 1] != '\0')
            last--;
        struct origin origin = {file, number, (unsigned)first + 1, (unsigned)(last - first)};
        if (last > first)
            is_good = add_prefix(item, line + first, last - first, &origin, diagnostics);
        line = newline == NULL ? end : newline + 1;
    }
    return is_good;
}

/* Where the dump is read, "relative to this file" would mean another folder. */
static bool set_file_text(struct item *item, const char *path)
{
    char *text = NULL;

    if (asprintf(&text, "@%s", path) == -1)
        return false;
    free(item->text);
    item->text = text;
    return true;
}

static bool read_prefix_file(const char *name, const struct origin *origin,
                             struct source_files *files, struct item *item,
                             struct diagnostics *diagnostics)
{
    struct error error = {0};
    char *path = source_file_resolve(origin->file, name);

    if (path == NULL || !set_file_text(item, path)) {
        free(path);
        return diagnostics_out_of_memory(diagnostics);
    }
    const struct source_file *file = source_file_read(files, path, &error);
    if (file == NULL)
        diagnostics_error(diagnostics, TOPIC_FILE, origin, "%s %s", path, error.text);
    free(path);
    return file != NULL && add_lines(item, file, diagnostics);
}

bool value_prefix_parse(const char *word, const struct origin *origin, struct source_files *files,
                        struct item *item, struct diagnostics *diagnostics)
{
    if (word[0] == '@')
        return read_prefix_file(word + 1, origin, files, item, diagnostics);
    return add_prefix(item, word, strlen(word), origin, diagnostics);
}
