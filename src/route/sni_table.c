/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sni_table.c - an index of places, a dense array of names, and one block that holds their bytes.
 */
#include "route/sni_table.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "core/text.h"

#define FIRST_CAPACITY 16

struct name {
    size_t offset; /* of its bytes: NUL-terminated; a wildcard's without its "*." */
    uint32_t hash;
    uint16_t length;
    bool is_wildcard;
    struct sni_entry entry;
};

struct sni_table {
    uint32_t *places;   /* number of a name plus one; 0: free */
    size_t place_count; /* a power of two, at least 4/3 of the names */
    struct name *names;
    size_t count;
    size_t capacity;
    char *bytes;
    size_t byte_count;
    size_t byte_capacity;
};

/* A name to look for. */
struct key {
    const char *bytes;
    size_t length;
    bool is_wildcard;
    uint32_t hash;
};

static struct key key_of(const char *bytes, size_t length, bool is_wildcard)
{
    return (struct key){bytes, length, is_wildcard,
                        (uint32_t)XXH3_64bits_withSeed(bytes, length, is_wildcard)};
}

static bool is_name(const struct sni_table *table, const struct name *name, const struct key *key)
{
    return name->hash == key->hash && name->length == key->length &&
           name->is_wildcard == key->is_wildcard &&
           memcmp(table->bytes + name->offset, key->bytes, key->length) == 0;
}

/* The place that holds the key's name, or the free one where it belongs. */
static uint32_t *place_of(const struct sni_table *table, const struct key *key)
{
    size_t mask = table->place_count - 1;
    size_t at = key->hash & mask;

    while (table->places[at] != 0 && !is_name(table, &table->names[table->places[at] - 1], key))
        at = (at + 1) & mask;
    return &table->places[at];
}

struct sni_table *sni_table_create(void)
{
    struct sni_table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return NULL;
    table->place_count = FIRST_CAPACITY;
    table->places = calloc(table->place_count, sizeof(*table->places));
    if (table->places == NULL) {
        free(table);
        return NULL;
    }
    return table;
}

void sni_table_destroy(struct sni_table *table)
{
    if (table == NULL)
        return;
    free(table->places);
    free(table->names);
    free(table->bytes);
    free(table);
}

/* Room for one more name: twice the places when three quarters are taken. */
static bool grow_places(struct sni_table *table)
{
    size_t place_count = table->place_count * 2;
    uint32_t *places;

    if ((table->count + 1) * 4 <= table->place_count * 3)
        return true;
    places = calloc(place_count, sizeof(*places));
    if (places == NULL)
        return false;
    for (size_t i = 0; i < table->count; i++) {
        size_t at = table->names[i].hash & (place_count - 1);

        while (places[at] != 0)
            at = (at + 1) & (place_count - 1);
        places[at] = (uint32_t)(i + 1);
    }
    free(table->places);
    table->places = places;
    table->place_count = place_count;
    return true;
}

static bool grow_names(struct sni_table *table)
{
    size_t capacity = table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2;
    struct name *names;

    if (table->count < table->capacity)
        return true;
    if (table->count >= UINT32_MAX / 4)
        return false;
    names = reallocarray(table->names, capacity, sizeof(*names));
    if (names == NULL)
        return false;
    table->names = names;
    table->capacity = capacity;
    return true;
}

static bool grow_bytes(struct sni_table *table, size_t more)
{
    size_t capacity = table->byte_capacity * 2 + SNI_NAME_MAX + 1;
    char *bytes;

    if (table->byte_count + more <= table->byte_capacity)
        return true;
    bytes = realloc(table->bytes, capacity);
    if (bytes == NULL)
        return false;
    table->bytes = bytes;
    table->byte_capacity = capacity;
    return true;
}

/* In lower case, without a trailing dot; false when it is too long. */
static bool fold(const char *name, char *folded, size_t *length)
{
    size_t size = strlen(name);
    bool has_dot = size > 0 && name[size - 1] == '.';

    if (size - has_dot > SNI_NAME_MAX)
        return false;
    *length = text_fold_name(folded, name, size);
    return true;
}

struct sni_entry *sni_table_at(struct sni_table *table, const char *pattern)
{
    bool is_wildcard = pattern[0] == '*' && pattern[1] == '.';
    char folded[SNI_NAME_MAX + 1];
    size_t length;
    struct key key;
    struct name *name;
    uint32_t *place;

    if (!fold(is_wildcard ? pattern + 2 : pattern, folded, &length))
        return NULL;
    key = key_of(folded, length, is_wildcard);
    place = place_of(table, &key);
    if (*place != 0)
        return &table->names[*place - 1].entry;
    if (!grow_places(table) || !grow_names(table) || !grow_bytes(table, length + 1))
        return NULL;
    name = &table->names[table->count++];
    *name = (struct name){.offset = table->byte_count,
                          .hash = key.hash,
                          .length = (uint16_t)length,
                          .is_wildcard = is_wildcard};
    memcpy(table->bytes + table->byte_count, folded, length + 1);
    table->byte_count += length + 1;
    *place_of(table, &key) = (uint32_t)table->count;
    return &name->entry;
}

static const struct sni_entry *find(const struct sni_table *table, const char *name,
                                    bool is_wildcard)
{
    struct key key;
    uint32_t place;

    if (table->count == 0)
        return NULL;
    key = key_of(name, strlen(name), is_wildcard);
    place = *place_of(table, &key);
    return place == 0 ? NULL : &table->names[place - 1].entry;
}

const struct sni_entry *sni_table_find(const struct sni_table *table, const char *name)
{
    return find(table, name, false);
}

const struct sni_entry *sni_table_find_wildcard(const struct sni_table *table, const char *name)
{
    const char *dot = strchr(name, '.');

    return dot == NULL || dot == name ? NULL : find(table, dot + 1, true);
}

size_t sni_table_count(const struct sni_table *table)
{
    return table->count;
}

struct sni_entry *sni_table_entry(struct sni_table *table, size_t index)
{
    return &table->names[index].entry;
}

/* Letters, digits, hyphens and, although no host has them, underscores. */
static bool is_label_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

const char *sni_pattern_fault(const char *pattern)
{
    const char *name = pattern;
    size_t label = 0;

    if (strcmp(pattern, "-") == 0)
        return NULL;
    if (pattern[0] == '*') {
        if (pattern[1] != '.')
            return "an asterisk stands for the whole first label: *.example.com";
        name = pattern + 2;
    }
    if (name[0] == '\0')
        return "write a name such as example.com, *.example.com, or - for no name";
    if (strlen(name) > SNI_NAME_MAX)
        return "names have at most 255 characters";
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '*')
            return "an asterisk stands for the whole first label: *.example.com";
        if (*at != '.' && !is_label_byte(*at))
            return "names are of letters, digits, hyphens and dots";
        if (*at != '.' && ++label > 63)
            return "labels of a name have at most 63 characters";
        if (*at == '.' && label == 0)
            return "a label of the name is empty";
        if (*at == '.')
            label = 0;
    }
    return NULL;
}
