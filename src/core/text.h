/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - bounded text, escaping, and near words.
 */
#ifndef CULVERT_CORE_TEXT_H
#define CULVERT_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

/* Text in memory of the caller's. Always NUL-terminated; what does not fit is cut and remembered.
 */
struct text {
    char *bytes;
    size_t length;   /* without the NUL */
    size_t capacity; /* with the NUL, >= 1 */
    bool is_cut;
};

/* An empty text over `capacity` bytes of the caller's memory. */
struct text text_over(char *memory, size_t capacity);

void text_append(struct text *text, const char *string);
void text_append_bytes(struct text *text, const char *bytes, size_t length);
void text_append_char(struct text *text, char character);
void text_append_format(struct text *text, const char *format, ...) CULVERT_PRINTF(2, 3);

/*
 * Appends peer-supplied bytes so that no byte below 0x20 or above 0x7e is left raw, and no `"` or
 * `\`: they become \", \\, \n, \r, \t or \u00XX, which are both JSON (RFC 8259, 7) and what our
 * logfmt readers understand. The one escaping function for everything a client can influence.
 */
void text_append_escaped(struct text *text, const char *bytes, size_t length);

/* ASCII letters in lower case, whatever the locale. */
static inline char text_lower(char letter)
{
    return (char)(letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter);
}

/*
 * A host name in the form in which names are compared: in lower case, without a dot at its end.
 * `folded` has room for that and a NUL, and may be `name` itself. Returns its length.
 */
size_t text_fold_name(char *folded, const char *name, size_t length);

/*
 * Whether `candidate` is near enough to `word` to be what was meant: `*distance`, which is then the
 * number of insertions, deletions, substitutions and swaps of neighbours between them (optimal
 * string alignment), is at most a third of the word's length, or 1. A word longer than 63
 * characters is near to none.
 */
bool text_is_near(const char *word, const char *candidate, size_t *distance);

#endif
