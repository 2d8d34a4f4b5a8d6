/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - bounded text, escaping, and near words.
 */
#include "core/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/fault.h"

/* Longest word text_is_near() compares: two rows of this size are kept on the stack. */
#define LONGEST_WORD 63

struct text text_over(char *memory, size_t capacity)
{
    assert(capacity >= 1);
    memory[0] = '\0';
    return (struct text){.bytes = memory, .capacity = capacity};
}

void text_append_bytes(struct text *text, const char *bytes, size_t length)
{
    size_t room = text->capacity - 1 - text->length;

    if (length > room) {
        length = room;
        text->is_cut = true;
    }
    if (length > 0)
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_append(struct text *text, const char *string)
{
    text_append_bytes(text, string, strlen(string));
}

void text_append_char(struct text *text, char character)
{
    text_append_bytes(text, &character, 1);
}

void text_append_format(struct text *text, const char *format, ...)
{
    size_t room = text->capacity - text->length;
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text->bytes + text->length, room, format, arguments);
    va_end(arguments);
    if (length < 0) {
        text->bytes[text->length] = '\0';
        text->is_cut = true;
    } else if ((size_t)length >= room) {
        text->length = text->capacity - 1;
        text->is_cut = true;
    } else {
        text->length += (size_t)length;
    }
}

/* The escape sequence of one byte in `sequence`, or NULL when it stands for itself. */
static const char *escape_of(unsigned char byte, char sequence[7])
{
    switch (byte) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (byte >= 0x20 && byte <= 0x7e)
            return NULL;
        snprintf(sequence, 7, "\\u%04x", byte);
        return sequence;
    }
}

void text_append_escaped(struct text *text, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char sequence[7];
        const char *escape =
            fault_is(FAULT_LOG_RAW) ? NULL : escape_of((unsigned char)bytes[i], sequence);
        size_t needed = escape == NULL ? 1 : strlen(escape);

        /* A sequence goes in whole or not at all: half of one would swallow the closing quote. */
        if (needed > text->capacity - 1 - text->length) {
            text->is_cut = true;
            return;
        }
        text_append_bytes(text, escape == NULL ? bytes + i : escape, needed);
    }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The distance, or SIZE_MAX as soon as it is known to exceed `most`. */
static size_t bounded_distance(const char *a, const char *b, size_t most)
{
    /* rows[i % 3][j]: the distance between the first i characters of a and the first j of b. */
    size_t rows[3][LONGEST_WORD + 1];
    size_t a_length = strnlen(a, LONGEST_WORD + 1);
    size_t b_length = strnlen(b, LONGEST_WORD + 1);
    size_t least_before = 0;

    if (a_length > LONGEST_WORD || b_length > LONGEST_WORD ||
        (a_length > b_length ? a_length - b_length : b_length - a_length) > most)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        const size_t *before = rows[(i - 1) % 3];
        const size_t *two_before = rows[(i + 1) % 3]; /* row i - 2 */
        size_t *row = rows[i % 3];
        size_t least = i;

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t substituted = before[j - 1] + (a[i - 1] != b[j - 1]);

            row[j] = smaller(substituted, smaller(before[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smaller(row[j], two_before[j - 2] + 1);
            least = smaller(least, row[j]);
        }
        /* What follows is made of these two rows, and never less. */
        if (least > most && least_before > most)
            return SIZE_MAX;
        least_before = least;
    }
    return rows[a_length % 3][b_length];
}

bool text_is_near(const char *word, const char *candidate, size_t *distance)
{
    size_t third = strlen(word) / 3;
    size_t most = third > 1 ? third : 1;

    *distance = bounded_distance(word, candidate, most);
    return *distance <= most;
}

size_t text_fold_name(char *folded, const char *name, size_t length)
{
    if (length > 0 && name[length - 1] == '.')
        length--;
    for (size_t i = 0; i < length; i++)
        folded[i] = text_lower(name[i]);
    folded[length] = '\0';
    return length;
}
