/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - a JSON array of objects as a table: aligned for people, or TSV for programs.
 */
#ifndef CULVERT_ADMIN_TABLE_H
#define CULVERT_ADMIN_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base.h"

enum column_kind {
    COLUMN_TEXT,
    COLUMN_LIST,  /* an array of strings */
    COLUMN_TALLY, /* an object of counts: those that are not 0, as "ok=7, refused=2" */
    COLUMN_COUNT,
    COLUMN_BYTES,   /* for people "1.2 MB", for programs the number */
    COLUMN_SECONDS, /* for people "3 m 20 s", for programs the number */
};

struct column {
    const char *key; /* in the object; "outer.inner" looks into one more */
    const char *title;
    enum column_kind kind;
};

/*
 * Prints the title line and a line for each object of `rows`. For people numbers are to the right
 * and the last column is not padded. No control character gets out, whatever the values hold.
 */
void table_print(FILE *out, const json_t *rows, const struct column *columns, size_t column_count,
                 bool for_people);

/* One value as the table would show it, into `buffer`; returned. What is missing is "-" for people
   and empty for programs. */
const char *table_cell(const json_t *value, enum column_kind kind, bool for_people, char *buffer,
                       size_t size);

#endif
