/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prefix_text.h - a text of prefixes, one a line, and the arrays they are kept in.
 */
#ifndef CULVERT_CONFIG_PREFIX_TEXT_H
#define CULVERT_CONFIG_PREFIX_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"
#include "core/error.h"
#include "net/addr.h"

/* Room for more than a million prefixes. */
#define PREFIX_FILE_MAX_BYTES ((size_t)32 << 20)

/* Zeroed is empty; `items` is for free(3). */
struct prefix_array {
    struct prefix *items;
    size_t count;
};

/* False without memory. */
bool prefix_array_add(struct prefix_array *array, const struct prefix *prefix) CULVERT_MUST_CHECK;

/* Where a text is wrong, and how. */
struct prefix_fault {
    bool is_out_of_memory; /* then nothing else is set */
    unsigned line;         /* from 1 */
    unsigned column;       /* bytes, from 1 */
    unsigned length;
    struct error error;
};

/*
 * Adds the prefixes of a text: one a line, blanks around it; '#' starts a comment. False with
 * `*fault` at the first line that is none; what stands before it was added.
 */
bool prefix_text_parse(const char *text, size_t length, struct prefix_array *array,
                       struct prefix_fault *fault) CULVERT_MUST_CHECK;

/*
 * The same for a file. The error says where it is wrong: "FILE:3: ...". `*is_broken`: what is in
 * the file is wrong, so trying again is of no use until it changes.
 */
bool prefix_file_read(const char *path, struct prefix_array *array, bool *is_broken,
                      struct error *error) CULVERT_MUST_CHECK;

#endif
