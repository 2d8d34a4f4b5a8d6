/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sni_table.h - what is known of the names that clients may ask for (TLS server_name).
 *
 * An open-addressing hash table over names in lower case: a look-up costs one hash of the name,
 * one or two probes and one comparison, however many names there are. About 60 bytes a name.
 *
 * A name is exact ("api.example.com") or a wildcard ("*.example.com"), which stands for exactly
 * one label. They are kept apart: the name "*.example.com", asked for by a client, is not the
 * wildcard.
 */
#ifndef CULVERT_ROUTE_SNI_TABLE_H
#define CULVERT_ROUTE_SNI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

/* Longest name, without a NUL (RFC 6066 takes its names from DNS: RFC 1035, 2.3.4). */
#define SNI_NAME_MAX 255

struct pool;
struct sni_rules;

/* What belongs to a name. Borrowed: whoever puts something in also frees it. */
struct sni_entry {
    struct sni_rules *rules; /* of [route] sections, or NULL */
    struct pool *pool;       /* of an sni_map, or NULL */
};

struct sni_table;

/* NULL without memory. */
struct sni_table *sni_table_create(void);
void sni_table_destroy(struct sni_table *table);

/*
 * The entry of a name or wildcard, in any case and with or without one trailing dot; an empty one
 * is made when there is none. It may be changed until the next call of this function. NULL without
 * memory, or when the name is too long.
 */
struct sni_entry *sni_table_at(struct sni_table *table, const char *pattern) CULVERT_MUST_CHECK;

/* The entry of just this name; the entry of the wildcard that holds it. NULL: none. The name is in
   lower case without a trailing dot. */
const struct sni_entry *sni_table_find(const struct sni_table *table, const char *name);
const struct sni_entry *sni_table_find_wildcard(const struct sni_table *table, const char *name);

/* How many names there are, and the entry of each. */
size_t sni_table_count(const struct sni_table *table);
struct sni_entry *sni_table_entry(struct sni_table *table, size_t index);

/*
 * What is wrong with a name as a configuration writes it: "api.example.com", "*.example.com" or
 * "-" (clients that ask for no name). NULL: nothing; else what it should be, for "'NAME': ...".
 */
const char *sni_pattern_fault(const char *pattern);

#endif
