/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balance.h - which of several servers is next: the policies.
 *
 * A tier is a group of servers that are equal to each other: those of one priority, or backups of
 * one. It is read-only after balance_tier_init() but for the ticket.
 */
#ifndef CULVERT_POOL_BALANCE_H
#define CULVERT_POOL_BALANCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "pool/maglev.h"
#include "pool/server.h"

enum balance {
    BALANCE_LEASTCONN,
    BALANCE_ROUNDROBIN,
    BALANCE_RANDOM,
    BALANCE_FIRST,
    BALANCE_MAGLEV,
};

const char *balance_word(enum balance balance);

/* Most entries of a table of turns; with a greater sum of weights they are rounded. */
#define BALANCE_TURNS_MAX 65536

struct balance_tier {
    struct server **servers; /* in file order; the servers are the pool's */
    unsigned count;
    bool is_backup;
    int priority;
    uint16_t *turns; /* indexes of `servers`, interleaved, each as often as its weight says */
    unsigned turn_count;
    struct maglev maglev;    /* empty unless balance_tier_hash() was called */
    _Atomic uint64_t ticket; /* roundrobin: turns given out */
};

/* Takes the servers, at least one, and lays out their turns. False without memory. */
bool balance_tier_init(struct balance_tier *tier, struct server *const *servers,
                       unsigned count) CULVERT_MUST_CHECK;

/* Lays out the table that BALANCE_MAGLEV needs. False without memory. */
bool balance_tier_hash(struct balance_tier *tier, unsigned maglev_size) CULVERT_MUST_CHECK;

/* Harmless on a zeroed tier. */
void balance_tier_release(struct balance_tier *tier);

/* What one session asks for. */
struct balance_request {
    struct server *const *tried; /* not these again */
    unsigned tried_count;
    int64_t now_ms;
    uint64_t *seed; /* xorshift state of the calling thread: for ties and random */
    uint64_t hash;  /* of the session's key (pool/hash_key.h): read by BALANCE_MAGLEV alone */

    /* Set by pool_pick(). */
    int64_t slow_start_ms; /* 0 = off */
    bool is_desperate;     /* servers that are down will do, too */

    bool is_full_seen; /* answer: a server was usable, but had no place */
};

/* Whether the session has tried the server already. */
bool balance_has_tried(const struct balance_request *request, const struct server *server);

/* A number below `bound`, from the thread's generator. */
unsigned balance_random_below(uint64_t *seed, unsigned bound);

/*
 * A server that became usable a while ago has a part of its share only (slow_start): a tenth at
 * first, all of it when the time is over. In 1/65536.
 */
#define BALANCE_SHARE_WHOLE 65536
unsigned balance_share(const struct balance_request *request, const struct server *server);

/*
 * Chooses a server of the tier that is up, has an address and was not tried, and takes a place on
 * it. NULL when there is none with a place.
 */
struct server *balance_pick(enum balance balance, struct balance_tier *tier,
                            struct balance_request *request);

#endif
