/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_table.h - what each source of connections has: sessions, and a bucket of its rate.
 *
 * A source is an IPv4 address or an IPv6 prefix of `ipv6_prefix` bits; unix clients are none. The
 * limits of the process and those of a listener count apart. Any thread may ask, when a connection
 * is accepted and when it ends; never per byte.
 *
 * The table never grows. Where it is full, the source without sessions that was seen longest ago is
 * forgotten; if all have some, the one of them that was seen longest ago: its limit then counts
 * from nothing.
 */
#ifndef CULVERT_RELAY_SOURCE_TABLE_H
#define CULVERT_RELAY_SOURCE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "net/addr.h"
#include "config/snapshot.h"

struct source_table;

enum source_answer {
    SOURCE_ADMITTED,
    SOURCE_AT_LIMIT, /* max_connections_per_ip */
    SOURCE_TOO_FAST, /* connection_rate_per_ip */
};

/* Room for `capacity` sources. NULL without memory. */
struct source_table *source_table_create(size_t capacity, int ipv6_prefix);

/* NULL is allowed. */
void source_table_destroy(struct source_table *table);

/* Whether any limit of the snapshot needs a table. */
bool source_table_is_wanted(const struct snapshot *snapshot);

/* Takes the places of a connection of this client at the listener and in the process: both, or
   none. A NULL table admits everyone. */
enum source_answer source_table_enter(struct source_table *table,
                                      const struct listener_config *listener,
                                      const struct addr *client, int64_t now_ns);

/* Gives them back, once for each that was admitted. */
void source_table_leave(struct source_table *table, const struct listener_config *listener,
                        const struct addr *client);

/* The same for one that was admitted and then refused for want of another place: its rates have it
   back, too. */
void source_table_withdraw(struct source_table *table, const struct listener_config *listener,
                           const struct addr *client);

/* Sources that are remembered, and how many with sessions had to be forgotten. Any thread. */
size_t source_table_count(const struct source_table *table);
uint64_t source_table_forgotten(const struct source_table *table);

#endif
