/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_text.h - the text behind '=': quotes, escapes and variables undone.
 *
 * A value is bare words or text in double quotes. Variables are put in here, behind the splitting
 * into lines, keys and values, and their text is taken as it is: it can add neither a comment nor a
 * key, and is not expanded again.
 */
#ifndef CULVERT_CONFIG_VALUE_TEXT_H
#define CULVERT_CONFIG_VALUE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/source_file.h"

/* The longest text once variables are in it. */
#define VALUE_TEXT_MAX ((size_t)65536)

/* One byte of the result. */
struct value_byte {
    char byte;
    bool is_quoted;  /* stood in quotes: neither a blank nor a comma separates here */
    bool is_empty;   /* no byte, but a quoted text of length 0 */
    uint16_t column; /* where it comes from, from 0 at the start of the value */
};

struct value_text {
    struct value_byte *bytes; /* owned */
    size_t length;
    size_t capacity;
    bool is_quoted; /* the whole value is one quoted text */
};

/*
 * Undoes quotes and escapes (\" \\ \n \r \t \0 \xNN inside quotes) and replaces ${NAME},
 * ${NAME:-default}, ${NAME-default}, ${NAME:?message}, ${NAME?message}, ${NAME:+other},
 * ${NAME+other}, and $$ by a dollar sign. False after a report to `diagnostics`.
 */
bool value_text_read(struct value_text *text, const char *raw, const struct origin *origin,
                     struct diagnostics *diagnostics);

void value_text_release(struct value_text *text);

#endif
