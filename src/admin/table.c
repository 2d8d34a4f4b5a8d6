/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - cells as text, then columns as wide as their widest cell.
 */
#include "admin/table.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"

#define CELL_BYTES 256
#define COLUMNS_MAX 16

static void append_bytes_for_people(struct text *text, double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;

    while (bytes >= 999.5 && unit + 1 < ARRAY_LENGTH(units)) {
        bytes /= 1000;
        unit++;
    }
    if (unit == 0)
        text_append_format(text, "%.0f B", bytes);
    else
        text_append_format(text, bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

static void append_seconds_for_people(struct text *text, double seconds)
{
    long whole = (long)seconds;

    if (seconds < 0.0009995)
        text_append_format(text, "%.0f us", seconds * 1e6);
    else if (seconds < 0.9995)
        text_append_format(text, "%.0f ms", seconds * 1e3);
    else if (seconds < 59.95)
        text_append_format(text, "%.1f s", seconds);
    else if (whole < 3600)
        text_append_format(text, "%ld m %ld s", whole / 60, whole % 60);
    else if (whole < 86400)
        text_append_format(text, "%ld h %ld m", whole / 3600, whole % 3600 / 60);
    else
        text_append_format(text, "%ld d %ld h", whole / 86400, whole % 86400 / 3600);
}

/* Text without control characters: a terminal must not obey it, and TSV must stay one line. */
static void append_plain(struct text *text, const char *value)
{
    for (; value != NULL && *value != '\0'; value++)
        text_append_char(text, (unsigned char)*value < 0x20 || *value == 0x7f ? '?' : *value);
}

static void append_tally(struct text *text, const json_t *value, const char *separator)
{
    const char *word;
    json_t *count;

    json_object_foreach((json_t *)value, word, count)
    {
        if (json_number_value(count) == 0)
            continue;
        text_append(text, text->length > 0 ? separator : "");
        append_plain(text, word);
        text_append_format(text, "=%.0f", json_number_value(count));
    }
}

const char *table_cell(const json_t *value, enum column_kind kind, bool for_people, char *buffer,
                       size_t size)
{
    struct text text = text_over(buffer, size);
    size_t index;
    json_t *item;

    switch (kind) {
    case COLUMN_TEXT:
        if (json_is_boolean(value))
            text_append(&text, json_is_true(value) ? "yes" : "no");
        else
            append_plain(&text, json_string_value(value));
        break;
    case COLUMN_LIST:
        json_array_foreach((json_t *)value, index, item)
        {
            text_append(&text, index > 0 ? (for_people ? ", " : ",") : "");
            append_plain(&text, json_string_value(item));
        }
        break;
    case COLUMN_TALLY:
        append_tally(&text, value, for_people ? ", " : ",");
        break;
    case COLUMN_COUNT:
        if (json_is_number(value))
            text_append_format(&text, "%.0f", json_number_value(value));
        break;
    case COLUMN_BYTES:
        if (json_is_number(value) && for_people)
            append_bytes_for_people(&text, json_number_value(value));
        else if (json_is_number(value))
            text_append_format(&text, "%.0f", json_number_value(value));
        break;
    case COLUMN_SECONDS:
        if (json_is_number(value) && for_people)
            append_seconds_for_people(&text, json_number_value(value));
        else if (json_is_number(value))
            text_append_format(&text, "%.6g", json_number_value(value));
        break;
    }
    if (text.length == 0 && for_people)
        text_append(&text, "-");
    return buffer;
}

static const json_t *look_up(const json_t *row, const char *key)
{
    const char *dot = strchr(key, '.');
    char outer[32];

    if (dot == NULL)
        return json_object_get(row, key);
    snprintf(outer, sizeof(outer), "%.*s", (int)(dot - key), key);
    return look_up(json_object_get(row, outer), dot + 1);
}

static const char *cell_of(const json_t *row, const struct column *column, bool for_people,
                           char *buffer)
{
    return table_cell(look_up(row, column->key), column->kind, for_people, buffer, CELL_BYTES);
}

static bool is_number(const struct column *column)
{
    return column->kind != COLUMN_TEXT && column->kind != COLUMN_LIST &&
           column->kind != COLUMN_TALLY;
}

static void print_cell(FILE *out, const struct column *column, const char *cell, size_t width,
                       bool is_last)
{
    int padding = (int)(width - strlen(cell));

    if (is_number(column))
        fprintf(out, "%*s%s", padding, "", cell);
    else
        fprintf(out, "%s%*s", cell, is_last ? 0 : padding, "");
    fputs(is_last ? "\n" : "  ", out);
}

static void print_aligned(FILE *out, const json_t *rows, const struct column *columns,
                          size_t column_count)
{
    size_t widths[COLUMNS_MAX];
    char buffer[CELL_BYTES];

    for (size_t i = 0; i < column_count; i++) {
        widths[i] = strlen(columns[i].title);
        for (size_t row = 0; row < json_array_size(rows); row++) {
            size_t width = strlen(cell_of(json_array_get(rows, row), &columns[i], true, buffer));

            if (width > widths[i])
                widths[i] = width;
        }
    }
    for (size_t i = 0; i < column_count; i++)
        print_cell(out, &columns[i], columns[i].title, widths[i], i + 1 == column_count);
    for (size_t row = 0; row < json_array_size(rows); row++) {
        for (size_t i = 0; i < column_count; i++)
            print_cell(out, &columns[i],
                       cell_of(json_array_get(rows, row), &columns[i], true, buffer), widths[i],
                       i + 1 == column_count);
    }
}

static void print_tsv(FILE *out, const json_t *rows, const struct column *columns,
                      size_t column_count)
{
    char buffer[CELL_BYTES];

    for (size_t i = 0; i < column_count; i++)
        fprintf(out, "%s%c", columns[i].title, i + 1 == column_count ? '\n' : '\t');
    for (size_t row = 0; row < json_array_size(rows); row++) {
        for (size_t i = 0; i < column_count; i++)
            fprintf(out, "%s%c", cell_of(json_array_get(rows, row), &columns[i], false, buffer),
                    i + 1 == column_count ? '\n' : '\t');
    }
}

void table_print(FILE *out, const json_t *rows, const struct column *columns, size_t column_count,
                 bool for_people)
{
    if (column_count > COLUMNS_MAX)
        column_count = COLUMNS_MAX;
    if (for_people)
        print_aligned(out, rows, columns, column_count);
    else
        print_tsv(out, rows, columns, column_count);
}
