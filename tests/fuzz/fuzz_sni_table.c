/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_sni_table.c - names put into a table, one a line, then looked for: the same is found as by a
 * search through all lines.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "route/sni_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_LINES 64

/* As the table keeps it: lower case, no trailing dot. */
static void fold(char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < length; i++)
        name[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    if (length > 0 && name[length - 1] == '.')
        name[length - 1] = '\0';
}

struct line {
    char *name; /* without "*." */
    bool is_wildcard;
};

static size_t split(char *text, struct line *lines)
{
    size_t count = 0;

    for (char *line = text; count < MOST_LINES; line = NULL) {
        char *next = strtok(line, "\n");

        if (next == NULL)
            break;
        lines[count++].name = next;
    }
    return count;
}

static void put(struct sni_table *table, struct line *line, struct pool *pool)
{
    const char *fault = sni_pattern_fault(line->name);
    struct sni_entry *entry = sni_table_at(table, line->name);

    line->is_wildcard = strncmp(line->name, "*.", 2) == 0;
    line->name += line->is_wildcard ? 2 : 0;
    fold(line->name);
    assert((entry != NULL) == (strlen(line->name) <= SNI_NAME_MAX));
    /* What the configuration may say, the table takes. */
    assert(fault != NULL || entry != NULL);
    if (entry != NULL && entry->pool == NULL)
        entry->pool = pool;
}

static struct pool *pool_of(size_t line)
{
    return (struct pool *)(uintptr_t)(8 * (line + 1)); /* never looked into */
}

/* The first line that holds the name: NULL, or its pool. */
static struct pool *search(const struct line *lines, size_t count, const char *name,
                           bool is_wildcard)
{
    for (size_t i = 0; i < count; i++) {
        if (lines[i].is_wildcard == is_wildcard && strlen(lines[i].name) <= SNI_NAME_MAX &&
            strcmp(lines[i].name, name) == 0)
            return pool_of(i);
    }
    return NULL;
}

static void look_for(const struct sni_table *table, const struct line *lines, size_t count,
                     const char *name)
{
    const struct sni_entry *exact = sni_table_find(table, name);
    const struct sni_entry *wildcard = sni_table_find_wildcard(table, name);
    const char *dot = strchr(name, '.');

    assert((exact == NULL ? NULL : exact->pool) == search(lines, count, name, false));
    assert((wildcard == NULL ? NULL : wildcard->pool) ==
           (dot == NULL || dot == name ? NULL : search(lines, count, dot + 1, true)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct sni_table *table = sni_table_create();
    struct line lines[MOST_LINES];
    size_t count;

    assert(text != NULL && table != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    count = split(text, lines);
    for (size_t i = 0; i < count; i++)
        put(table, &lines[i], pool_of(i));
    assert(sni_table_count(table) <= count);
    for (size_t i = 0; i < count; i++) {
        char *name = malloc(strlen(lines[i].name) + 3);

        assert(name != NULL);
        look_for(table, lines, count, lines[i].name);
        /* As a client asks for what a wildcard holds. */
        look_for(table, lines, count, strcat(strcpy(name, "w."), lines[i].name));
        free(name);
    }
    look_for(table, lines, count, "");
    sni_table_destroy(table);
    free(text);
    return 0;
}
