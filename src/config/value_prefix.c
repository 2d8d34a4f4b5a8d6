/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_prefix.c - one prefix, or a file of them.
 */
#include "config/value_prefix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file_stamp.h"
#include "net/addr.h"
#include "config/value.h"

static bool add_prefix(struct item *item, const char *string, const struct origin *origin,
                       struct diagnostics *diagnostics)
{
    struct error error = {0};
    struct prefix prefix;

    if (!prefix_parse(string, strlen(string), &prefix, &error)) {
        diagnostics_error(diagnostics, TOPIC_VALUE, origin, "%s", error.text);
        return false;
    }
    return prefix_array_add(&item->prefixes, &prefix) || diagnostics_out_of_memory(diagnostics);
}

static bool add_lines(struct item *item, const struct source_file *file,
                      struct diagnostics *diagnostics)
{
    struct prefix_fault fault;

    if (prefix_text_parse(file->text, file->length, &item->prefixes, &fault))
        return true;
    if (fault.is_out_of_memory)
        return diagnostics_out_of_memory(diagnostics);
    struct origin origin = {file, fault.line, fault.column, fault.length};
    diagnostics_error(diagnostics, TOPIC_VALUE, &origin, "%s", fault.error.text);
    return false;
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
    item->stamp = file_stamp(0, path);
    const struct source_file *file =
        source_file_read_large(files, path, PREFIX_FILE_MAX_BYTES, &error);
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
    return add_prefix(item, word, origin, diagnostics);
}
