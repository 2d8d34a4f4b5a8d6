/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash_key.c - the bytes of a key.
 */
#include "pool/hash_key.h"

#include <stdbool.h>
#include <string.h>

#include "pool/maglev.h"

const char *hash_key_word(enum hash_key key)
{
    switch (key) {
    case HASH_SOURCE:
        return "source";
    case HASH_SOURCE_PORT:
        return "source_port";
    case HASH_DESTINATION:
        return "destination";
    case HASH_SNI:
        return "sni";
    }
    return "";
}

static uint64_t hash_addr(const struct addr *addr, bool with_port)
{
    unsigned char bytes[sizeof(addr->v6) + 2];
    size_t size;

    if (addr->family == AF_INET)
        size = sizeof(addr->v4);
    else if (addr->family == AF_INET6)
        size = sizeof(addr->v6);
    else
        return maglev_hash("", 0);
    memcpy(bytes, addr->family == AF_INET ? (const void *)&addr->v4 : &addr->v6, size);
    if (with_port) {
        bytes[size++] = (unsigned char)(addr->port >> 8);
        bytes[size++] = (unsigned char)(addr->port & 0xff);
    }
    return maglev_hash(bytes, size);
}

uint64_t hash_key_of(enum hash_key key, const struct hash_client *client)
{
    switch (key) {
    case HASH_SOURCE:
        break;
    case HASH_SOURCE_PORT:
        return hash_addr(client->source, true);
    case HASH_DESTINATION:
        return hash_addr(client->destination, true);
    case HASH_SNI:
        if (client->sni != NULL && client->sni[0] != '\0')
            return maglev_hash(client->sni, strlen(client->sni));
        break;
    }
    return hash_addr(client->source, false);
}
