/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balance.c - leastconn, roundrobin, random, first and maglev.
 *
 * Each policy reads the servers with relaxed loads and takes a place with one compare-and-swap, so
 * the counts are those of the whole process and no limit is exceeded.
 */
#include "pool/balance.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"

/* leastconn: after this many lost races only the limit counts, not that the count is the least. */
#define EXACT_TRIES 8

/* random: pairs drawn before the servers are looked at one by one. */
#define RANDOM_TRIES 4

const char *balance_word(enum balance balance)
{
    switch (balance) {
    case BALANCE_LEASTCONN:
        return "leastconn";
    case BALANCE_ROUNDROBIN:
        return "roundrobin";
    case BALANCE_RANDOM:
        return "random";
    case BALANCE_FIRST:
        return "first";
    case BALANCE_MAGLEV:
        return "maglev";
    }
    return "";
}

static unsigned greatest_common_divisor(unsigned a, unsigned b)
{
    while (b != 0) {
        unsigned rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static unsigned weight_of(const struct server *server)
{
    return (unsigned)atomic_load_explicit(&server->weight, memory_order_relaxed);
}

/* How many turns each server gets: its weight, reduced as far as the proportions allow. */
static unsigned share_turns(const struct balance_tier *tier, unsigned *shares)
{
    unsigned divisor = 0;
    uint64_t sum = 0;
    unsigned total = 0;

    for (unsigned i = 0; i < tier->count; i++) {
        shares[i] = weight_of(tier->servers[i]);
        assert(shares[i] >= 1);
        divisor = greatest_common_divisor(divisor, shares[i]);
    }
    for (unsigned i = 0; i < tier->count; i++) {
        shares[i] /= divisor;
        sum += shares[i];
    }
    for (unsigned i = 0; i < tier->count; i++) {
        if (sum > BALANCE_TURNS_MAX)
            shares[i] =
                (unsigned)(shares[i] * (uint64_t)(BALANCE_TURNS_MAX - tier->count) / sum) + 1;
        total += shares[i];
    }
    return total;
}

/*
 * Smooth weighted order: each step every server gains its share, and the one with the most pays
 * the total and has the turn. So turns of a heavy server are spread, not in a row.
 */
static void interleave(struct balance_tier *tier, const unsigned *shares, int64_t *credit)
{
    for (unsigned turn = 0; turn < tier->turn_count; turn++) {
        unsigned best = 0;

        for (unsigned i = 0; i < tier->count; i++) {
            credit[i] += shares[i];
            if (credit[i] > credit[best])
                best = i;
        }
        credit[best] -= tier->turn_count;
        tier->turns[turn] = (uint16_t)best;
    }
}

static bool lay_out_turns(struct balance_tier *tier)
{
    unsigned *shares = calloc(tier->count, sizeof(*shares));
    int64_t *credit = calloc(tier->count, sizeof(*credit));
    bool is_done = false;

    if (shares != NULL && credit != NULL) {
        tier->turn_count = share_turns(tier, shares);
        tier->turns = calloc(tier->turn_count, sizeof(*tier->turns));
        if (tier->turns != NULL) {
            interleave(tier, shares, credit);
            is_done = true;
        }
    }
    free(shares);
    free(credit);
    return is_done;
}

bool balance_tier_init(struct balance_tier *tier, struct server *const *servers, unsigned count)
{
    assert(count > 0);
    tier->servers = calloc(count, sizeof(*tier->servers));
    if (tier->servers == NULL)
        return false;
    memcpy(tier->servers, servers, count * sizeof(*tier->servers));
    tier->count = count;
    tier->is_backup = servers[0]->is_backup;
    tier->priority = servers[0]->priority;
    return lay_out_turns(tier);
}

bool balance_tier_hash(struct balance_tier *tier, unsigned maglev_size)
{
    struct maglev_entry *entries = calloc(tier->count, sizeof(*entries));
    char(*addrs)[ADDR_TEXT_BYTES] = calloc(tier->count, sizeof(*addrs));
    bool is_done = false;

    if (entries != NULL && addrs != NULL) {
        for (unsigned i = 0; i < tier->count; i++)
            entries[i] = (struct maglev_entry){.name = tier->servers[i]->name,
                                               .addr = server_addr_text(tier->servers[i], addrs[i]),
                                               .weight = weight_of(tier->servers[i])};
        is_done = maglev_init(&tier->maglev, entries, tier->count, maglev_size);
    }
    free(entries);
    free(addrs);
    return is_done;
}

void balance_tier_release(struct balance_tier *tier)
{
    maglev_release(&tier->maglev);
    free(tier->servers);
    free(tier->turns);
    tier->servers = NULL;
    tier->turns = NULL;
    tier->count = 0;
    tier->turn_count = 0;
}

unsigned balance_random_below(uint64_t *seed, unsigned bound)
{
    return (unsigned)(((random_next(seed) >> 32) * bound) >> 32);
}

bool balance_has_tried(const struct balance_request *request, const struct server *server)
{
    for (unsigned i = 0; i < request->tried_count; i++) {
        if (request->tried[i] == server)
            return true;
    }
    return false;
}

static bool is_usable(const struct balance_request *request, const struct server *server)
{
    return (request->is_desperate ? server_may_be_tried(server) : server_is_usable(server)) &&
           !balance_has_tried(request, server);
}

unsigned balance_share(const struct balance_request *request, const struct server *server)
{
    const unsigned least = BALANCE_SHARE_WHOLE / 10;
    int64_t since_ms;
    int64_t elapsed_ms;

    if (request->slow_start_ms == 0)
        return BALANCE_SHARE_WHOLE;
    since_ms = atomic_load_explicit(&server->up_since_ms, memory_order_relaxed);
    elapsed_ms = request->now_ms - since_ms;
    if (since_ms == 0 || elapsed_ms >= request->slow_start_ms)
        return BALANCE_SHARE_WHOLE;
    if (elapsed_ms <= 0)
        return least;
    return least + (unsigned)((double)(BALANCE_SHARE_WHOLE - least) * (double)elapsed_ms /
                              (double)request->slow_start_ms);
}

/* Whether a server in its slow start lets this turn go by. */
static bool passes_turn(const struct balance_request *request, const struct server *server)
{
    unsigned share = balance_share(request, server);

    return share < BALANCE_SHARE_WHOLE &&
           balance_random_below(request->seed, BALANCE_SHARE_WHOLE) >= share;
}

/* A usable server with a place. `*active` is its count, for the comparison and the taking. */
static bool is_open(struct balance_request *request, const struct server *server, int *active)
{
    int most = atomic_load_explicit(&server->max_connections, memory_order_relaxed);

    if (!is_usable(request, server))
        return false;
    *active = atomic_load_explicit(&server->active, memory_order_relaxed);
    if (most != 0 && *active >= most) {
        request->is_full_seen = true;
        return false;
    }
    return true;
}

static bool take_if_open(struct balance_request *request, struct server *server)
{
    if (!is_usable(request, server))
        return false;
    if (server_take_place(server))
        return true;
    request->is_full_seen = true;
    return false;
}

/* The weight that counts now, in 1/65536. */
static int64_t weight_now(const struct balance_request *request, const struct server *server)
{
    return (int64_t)weight_of(server) * balance_share(request, server);
}

/* Whether one more session is a smaller load, by weight, for `a` than for `b`. */
static bool is_lighter(const struct balance_request *request, const struct server *a, int a_active,
                       const struct server *b, int b_active)
{
    return ((int64_t)a_active + 1) * weight_now(request, b) <
           ((int64_t)b_active + 1) * weight_now(request, a);
}

/* The lightest open server, the first of several from `start` on. */
static struct server *find_lightest(const struct balance_tier *tier,
                                    struct balance_request *request, unsigned start, int *active)
{
    struct server *lightest = NULL;

    for (unsigned step = 0; step < tier->count; step++) {
        unsigned i = start + step < tier->count ? start + step : start + step - tier->count;
        struct server *server = tier->servers[i];
        int here;

        if (!is_open(request, server, &here))
            continue;
        if (lightest == NULL || is_lighter(request, server, here, lightest, *active)) {
            lightest = server;
            *active = here;
        }
    }
    return lightest;
}

/* Takes a place from exactly this count: false when another thread was there first. */
static bool take_from(struct server *server, int active)
{
    return atomic_compare_exchange_strong_explicit(&server->active, &active, active + 1,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

static struct server *pick_leastconn(struct balance_tier *tier, struct balance_request *request)
{
    unsigned start = balance_random_below(request->seed, tier->count);

    for (unsigned attempt = 0;; attempt++) {
        int active = 0;
        struct server *server = find_lightest(tier, request, start, &active);

        if (server == NULL)
            return NULL;
        if (attempt < EXACT_TRIES ? take_from(server, active) : server_take_place(server))
            return server;
    }
}

static struct server *pick_first(struct balance_tier *tier, struct balance_request *request)
{
    for (unsigned i = 0; i < tier->count; i++) {
        if (!passes_turn(request, tier->servers[i]) && take_if_open(request, tier->servers[i]))
            return tier->servers[i];
    }
    return request->slow_start_ms == 0 ? NULL : pick_leastconn(tier, request);
}

/*
 * A server that cannot serve costs a further ticket. Giving its turn to the next in the table
 * instead would double the share of that one.
 */
static struct server *pick_roundrobin(struct balance_tier *tier, struct balance_request *request)
{
    for (unsigned step = 0; step < tier->count; step++) {
        uint64_t ticket = atomic_fetch_add_explicit(&tier->ticket, 1, memory_order_relaxed);
        struct server *server = tier->servers[tier->turns[ticket % tier->turn_count]];

        if (!passes_turn(request, server) && take_if_open(request, server))
            return server;
    }
    /* Hardly any turn leads to an open server: take those by their load. */
    return pick_leastconn(tier, request);
}

/* The lighter of two drawn by weight. */
static struct server *pick_random(struct balance_tier *tier, struct balance_request *request)
{
    for (unsigned attempt = 0; attempt < RANDOM_TRIES; attempt++) {
        struct server *drawn[2];
        bool is_candidate[2];
        int active[2];
        unsigned choice;

        for (unsigned i = 0; i < 2; i++) {
            drawn[i] =
                tier->servers[tier->turns[balance_random_below(request->seed, tier->turn_count)]];
            is_candidate[i] =
                !passes_turn(request, drawn[i]) && is_open(request, drawn[i], &active[i]);
        }
        if (is_candidate[0] && is_candidate[1])
            choice = is_lighter(request, drawn[1], active[1], drawn[0], active[0]);
        else if (is_candidate[0] || is_candidate[1])
            choice = is_candidate[1];
        else
            continue;
        if (server_take_place(drawn[choice]))
            return drawn[choice];
    }
    return pick_leastconn(tier, request);
}

/* Whether this key is among those that a server in its slow start does not serve yet: always the
   same ones, so that a client that has returned to it stays. */
static bool is_early(const struct balance_request *request, const struct server *server)
{
    return (uint32_t)request->hash >> 16 >= balance_share(request, server);
}

static struct server *pick_maglev(struct balance_tier *tier, struct balance_request *request)
{
    bool has_early = false;
    struct maglev_walk walk = maglev_walk_begin(&tier->maglev, request->hash);
    int index;

    while ((index = maglev_walk_next(&walk)) >= 0) {
        struct server *server = tier->servers[index];

        if (is_early(request, server))
            has_early = true;
        else if (take_if_open(request, server))
            return server;
    }
    if (!has_early)
        return NULL;
    /* No other server can serve it. */
    walk = maglev_walk_begin(&tier->maglev, request->hash);
    while ((index = maglev_walk_next(&walk)) >= 0) {
        if (take_if_open(request, tier->servers[index]))
            return tier->servers[index];
    }
    return NULL;
}

struct server *balance_pick(enum balance balance, struct balance_tier *tier,
                            struct balance_request *request)
{
    if (tier->count == 0)
        return NULL;
    switch (balance) {
    case BALANCE_LEASTCONN:
        return pick_leastconn(tier, request);
    case BALANCE_ROUNDROBIN:
        return pick_roundrobin(tier, request);
    case BALANCE_RANDOM:
        return pick_random(tier, request);
    case BALANCE_FIRST:
        return pick_first(tier, request);
    case BALANCE_MAGLEV:
        return pick_maglev(tier, request);
    }
    return NULL;
}
