/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash_key.h - what of a client decides which server it gets with balance = maglev.
 *
 * The bytes that are hashed are written in docs/reference/maglev.md and do not change: replicas of
 * different versions must agree.
 */
#ifndef CULVERT_POOL_HASH_KEY_H
#define CULVERT_POOL_HASH_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

enum hash_key { HASH_SOURCE, HASH_SOURCE_PORT, HASH_DESTINATION, HASH_SNI };

/* source, source_port, destination, sni */
const char *hash_key_word(enum hash_key key);

struct hash_client {
    const struct addr *source;
    const struct addr *destination; /* what the client dialled; read for HASH_DESTINATION alone */
    const char *sni;                /* lower case, without a dot at its end; NULL: none is known */
};

/* A client that asks for no name is told from others by its address. Unix sockets have none: all
   of them are one client. */
uint64_t hash_key_of(enum hash_key key, const struct hash_client *client);

#endif
