/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prefix_text.c - lines to prefixes.
 */
#include "config/prefix_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/source_file.h"

bool prefix_array_add(struct prefix_array *array, const struct prefix *prefix)
{
    /* The array doubles whenever the count is a power of two. */
    if ((array->count & (array->count - 1)) == 0) {
        size_t capacity = array->count == 0 ? 1 : 2 * array->count;
        struct prefix *more = realloc(array->items, capacity * sizeof(*more));

        if (more == NULL)
            return false;
        array->items = more;
    }
    array->items[array->count++] = *prefix;
    return true;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* What a line says without blanks and comment: [first, last) of it. */
static void trim(const char *line, size_t length, size_t *first, size_t *last)
{
    const char *comment = memchr(line, '#', length);

    *first = 0;
    *last = comment == NULL ? length : (size_t)(comment - line);
    while (*first < *last && is_blank(line[*first]))
        (*first)++;
    while (*last > *first && is_blank(line[*last - 1]))
        (*last)--;
}

bool prefix_text_parse(const char *text, size_t length, struct prefix_array *array,
                       struct prefix_fault *fault)
{
    const char *end = text + length;
    unsigned number = 1;

    *fault = (struct prefix_fault){.is_out_of_memory = false};
    for (const char *line = text; line < end; number++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        struct prefix prefix;
        size_t first, last;

        trim(line, (size_t)((newline == NULL ? end : newline) - line), &first, &last);
        if (last > first) {
            if (!prefix_parse(line + first, last - first, &prefix, &fault->error)) {
                fault->line = number;
                fault->column = (unsigned)first + 1;
                fault->length = (unsigned)(last - first);
                return false;
            }
            if (!prefix_array_add(array, &prefix)) {
                fault->is_out_of_memory = true;
                return false;
            }
        }
        if (newline == NULL)
            break;
        line = newline + 1;
    }
    return true;
}

bool prefix_file_read(const char *path, struct prefix_array *array, bool *is_broken,
                      struct error *error)
{
    struct source_files files = {0};
    const struct source_file *file;
    struct prefix_fault fault;
    bool is_good = false;

    *is_broken = false;
    file = source_file_read_large(&files, path, PREFIX_FILE_MAX_BYTES, error);
    if (file == NULL)
        (void)error_prefix(error, "%s", path);
    else if (prefix_text_parse(file->text, file->length, array, &fault))
        is_good = true;
    else if (fault.is_out_of_memory)
        error_set(error, 0, "%s: out of memory", path);
    else {
        *is_broken = true;
        error_set(error, 0, "%s:%u: %s", path, fault.line, fault.error.text);
    }
    source_files_release(&files);
    return is_good;
}
