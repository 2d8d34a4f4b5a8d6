/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own_connects.c - one word of 64 bits for each local port.
 */
#include "net/own_connects.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#define PORTS 65536

struct own_connects {
    _Atomic uint64_t by_port[PORTS]; /* hash of both addresses; 0: none */
};

/* FNV-1a, whose constants these are. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_addr(uint64_t hash, const struct addr *addr)
{
    hash = hash_bytes(hash, &addr->port, sizeof(addr->port));
    if (addr->family == AF_INET)
        return hash_bytes(hash, &addr->v4, sizeof(addr->v4));
    return hash_bytes(hash, &addr->v6, sizeof(addr->v6));
}

static uint64_t hash_pair(const struct addr *source, const struct addr *destination)
{
    uint64_t hash = hash_addr(hash_addr(UINT64_C(0xcbf29ce484222325), source), destination);

    return hash != 0 ? hash : 1;
}

struct own_connects *own_connects_create(void)
{
    return calloc(1, sizeof(struct own_connects));
}

void own_connects_destroy(struct own_connects *connects)
{
    free(connects);
}

void own_connects_note(struct own_connects *connects, const struct addr *source,
                       const struct addr *destination)
{
    atomic_store_explicit(&connects->by_port[source->port], hash_pair(source, destination),
                          memory_order_relaxed);
}

void own_connects_forget(struct own_connects *connects, const struct addr *source,
                         const struct addr *destination)
{
    uint64_t hash = hash_pair(source, destination);

    atomic_compare_exchange_strong_explicit(&connects->by_port[source->port], &hash, 0,
                                            memory_order_relaxed, memory_order_relaxed);
}

bool own_connects_has(const struct own_connects *connects, const struct addr *source,
                      const struct addr *destination)
{
    return atomic_load_explicit(&connects->by_port[source->port], memory_order_relaxed) ==
           hash_pair(source, destination);
}
