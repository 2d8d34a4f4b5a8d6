/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_table.c - shards, each a hash table with chains behind a mutex of its own.
 *
 * A seed of the process keeps clients from choosing addresses that meet in one chain.
 */
#include "relay/source_table.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/clock.h"
#include "core/list.h"

/* A shard has room for so many sources, and there are at most so many shards. */
#define SHARD_SOURCES 1024
#define SHARDS_MAX 64

#define NO_SCOPE 0 /* of the process; listeners have theirs from 1 on */

/* Who: an address without the bits behind its prefix, and whose limits count. */
struct source_key {
    uint64_t halves[2]; /* an IPv4 address is a v4-mapped one */
    uint64_t scope;
};

struct source {
    struct source_key key;
    struct list_link link; /* in the shard's `idle` or `busy`, the one seen last at the end */
    struct source *next;   /* in its chain, or of those that are free */
    int64_t paid_until_ns; /* the bucket of its rate */
    int sessions;
};

struct shard {
    _Alignas(CACHE_LINE_BYTES) pthread_mutex_t mutex; /* guards the rest, but for the counters */
    struct source *sources;
    struct source **chains;
    struct source *free;
    struct list idle; /* without sessions */
    struct list busy;
    _Atomic size_t count;
    _Atomic uint64_t forgotten; /* that had sessions */
};

struct source_table {
    struct shard *shards;
    size_t shard_count;
    size_t shard_capacity;
    uint64_t seed[2];
    int ipv6_prefix;
};

static bool shard_init(struct shard *shard, size_t capacity)
{
    pthread_mutex_init(&shard->mutex, NULL);
    list_init(&shard->idle);
    list_init(&shard->busy);
    shard->sources = calloc(capacity, sizeof(*shard->sources));
    shard->chains = calloc(capacity, sizeof(struct source *));
    if (shard->sources == NULL || shard->chains == NULL)
        return false;
    for (size_t i = 0; i < capacity; i++) {
        shard->sources[i].next = shard->free;
        shard->free = &shard->sources[i];
    }
    return true;
}

static size_t round_up(size_t number, size_t unit)
{
    return (number + unit - 1) / unit;
}

struct source_table *source_table_create(size_t capacity, int ipv6_prefix)
{
    struct source_table *table = calloc(1, sizeof(*table));
    bool is_good;

    if (table == NULL)
        return NULL;
    table->ipv6_prefix = ipv6_prefix;
    table->shard_count = round_up(capacity, SHARD_SOURCES);
    if (table->shard_count > SHARDS_MAX)
        table->shard_count = SHARDS_MAX;
    table->shard_capacity = round_up(capacity, table->shard_count);
    if (getrandom(table->seed, sizeof(table->seed), GRND_NONBLOCK) != sizeof(table->seed))
        table->seed[0] = (uint64_t)clock_now_us();
    table->shards = aligned_alloc(CACHE_LINE_BYTES, table->shard_count * sizeof(struct shard));
    is_good = table->shards != NULL;
    if (is_good)
        memset(table->shards, 0, table->shard_count * sizeof(struct shard));
    for (size_t i = 0; i < table->shard_count && table->shards != NULL; i++)
        is_good &= shard_init(&table->shards[i], table->shard_capacity);
    if (is_good)
        return table;
    source_table_destroy(table);
    return NULL;
}

void source_table_destroy(struct source_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->shard_count && table->shards != NULL; i++) {
        pthread_mutex_destroy(&table->shards[i].mutex);
        free(table->shards[i].sources);
        free(table->shards[i].chains);
    }
    free(table->shards);
    free(table);
}

static bool has_limits(const struct source_limits *limits)
{
    return limits->max_connections > 0 || limits->connection_rate.per_s > 0;
}

bool source_table_is_wanted(const struct snapshot *snapshot)
{
    bool is_wanted = has_limits(&snapshot->process.per_source);

    for (unsigned i = 0; i < snapshot->listener_count; i++)
        is_wanted |= has_limits(&snapshot->listeners[i].per_source);
    return is_wanted;
}

/* False: a client without an IP address. */
static bool key_of(const struct source_table *table, const struct addr *client,
                   struct source_key *key)
{
    unsigned char bytes[16] = {[10] = 0xff, [11] = 0xff};
    int bits = 128;

    if (client->family == AF_INET) {
        memcpy(bytes + 12, &client->v4, sizeof(client->v4));
    } else if (client->family == AF_INET6) {
        memcpy(bytes, &client->v6, sizeof(bytes));
        if (!IN6_IS_ADDR_V4MAPPED(&client->v6))
            bits = table->ipv6_prefix;
    } else {
        return false;
    }
    for (int bit = bits; bit < 128; bit++)
        bytes[bit / 8] &= (unsigned char)~(0x80 >> bit % 8);
    memcpy(key->halves, bytes, sizeof(bytes));
    return true;
}

static uint64_t mix(uint64_t number)
{
    number ^= number >> 32;
    number *= UINT64_C(0xd6e8feb86659fd93);
    number ^= number >> 32;
    return number * UINT64_C(0xd6e8feb86659fd93);
}

static uint64_t hash_of(const struct source_table *table, const struct source_key *key)
{
    uint64_t hash = mix(key->halves[0] ^ table->seed[0]);

    hash = mix(hash ^ key->halves[1] ^ table->seed[1]);
    hash = mix(hash ^ key->scope);
    return hash ^ hash >> 32;
}

static bool key_is(const struct source_key *a, const struct source_key *b)
{
    return a->halves[0] == b->halves[0] && a->halves[1] == b->halves[1] && a->scope == b->scope;
}

static struct shard *shard_of(const struct source_table *table, uint64_t hash)
{
    return &table->shards[hash % table->shard_count];
}

/* Where the source's chain begins. */
static struct source **chain_of(const struct source_table *table, struct shard *shard,
                                uint64_t hash)
{
    return &shard->chains[hash / table->shard_count % table->shard_capacity];
}

/* The place in the chain that holds the source, or NULL. */
static struct source **find(const struct source_table *table, struct shard *shard,
                            const struct source_key *key, uint64_t hash)
{
    struct source **place = chain_of(table, shard, hash);

    while (*place != NULL && !key_is(&(*place)->key, key))
        place = &(*place)->next;
    return place;
}

static void forget(const struct source_table *table, struct shard *shard, struct source *source)
{
    struct source **place = find(table, shard, &source->key, hash_of(table, &source->key));

    *place = source->next;
    list_remove(&source->link);
    source->next = shard->free;
    shard->free = source;
    atomic_fetch_sub_explicit(&shard->count, 1, memory_order_relaxed);
}

/* Makes room for one. */
static void forget_oldest(const struct source_table *table, struct shard *shard)
{
    struct list *list = list_is_empty(&shard->idle) ? &shard->busy : &shard->idle;

    if (list == &shard->busy)
        atomic_fetch_add_explicit(&shard->forgotten, 1, memory_order_relaxed);
    forget(table, shard, CONTAINER_OF(list->head.next, struct source, link));
}

static struct source *find_or_add(const struct source_table *table, struct shard *shard,
                                  const struct source_key *key, uint64_t hash)
{
    struct source *source = *find(table, shard, key, hash);
    struct source **chain;

    if (source != NULL) {
        list_remove(&source->link);
        return source;
    }
    if (shard->free == NULL)
        forget_oldest(table, shard);
    source = shard->free;
    shard->free = source->next;
    memset(source, 0, sizeof(*source));
    source->key = *key;
    chain = chain_of(table, shard, hash);
    source->next = *chain;
    *chain = source;
    atomic_fetch_add_explicit(&shard->count, 1, memory_order_relaxed);
    return source;
}

static enum source_answer enter(struct source_table *table, const struct source_key *key,
                                const struct source_limits *limits, int64_t now_ns)
{
    uint64_t hash = hash_of(table, key);
    struct shard *shard = shard_of(table, hash);
    const struct rate *rate = &limits->connection_rate;
    enum source_answer answer = SOURCE_ADMITTED;
    struct source *source;

    pthread_mutex_lock(&shard->mutex);
    source = find_or_add(table, shard, key, hash);
    if (limits->max_connections > 0 && source->sessions >= limits->max_connections)
        answer = SOURCE_AT_LIMIT;
    else if (rate->per_s > 0 && rate_wait_ns(rate, source->paid_until_ns, 1, now_ns) > 0)
        answer = SOURCE_TOO_FAST;
    if (answer == SOURCE_ADMITTED) {
        source->sessions++;
        if (rate->per_s > 0)
            source->paid_until_ns = rate_take(rate, source->paid_until_ns, 1, now_ns);
    }
    list_append(source->sessions > 0 ? &shard->busy : &shard->idle, &source->link);
    pthread_mutex_unlock(&shard->mutex);
    return answer;
}

/* `is_paid_back`: as if it had never come. */
static void leave(struct source_table *table, const struct source_key *key,
                  const struct source_limits *limits, bool is_paid_back)
{
    uint64_t hash = hash_of(table, key);
    struct shard *shard = shard_of(table, hash);
    struct source *source;

    pthread_mutex_lock(&shard->mutex);
    source = *find(table, shard, key, hash);
    if (source != NULL && is_paid_back && limits->connection_rate.per_s > 0)
        source->paid_until_ns = rate_return(&limits->connection_rate, source->paid_until_ns, 1);
    /* It may have been forgotten meanwhile, and come back. */
    if (source != NULL && source->sessions > 0 && --source->sessions == 0) {
        if (limits->connection_rate.per_s == 0) {
            forget(table, shard, source);
        } else {
            list_remove(&source->link);
            list_append(&shard->idle, &source->link);
        }
    }
    pthread_mutex_unlock(&shard->mutex);
}

enum source_answer source_table_enter(struct source_table *table,
                                      const struct listener_config *listener,
                                      const struct addr *client, int64_t now_ns)
{
    const struct source_limits *own = &listener->per_source;
    const struct source_limits *whole = &listener->snapshot->process.per_source;
    enum source_answer answer = SOURCE_ADMITTED;
    struct source_key key;

    if (table == NULL || !key_of(table, client, &key))
        return SOURCE_ADMITTED;
    key.scope = listener->index + 1;
    if (has_limits(own))
        answer = enter(table, &key, own, now_ns);
    if (answer != SOURCE_ADMITTED || !has_limits(whole))
        return answer;
    key.scope = NO_SCOPE;
    answer = enter(table, &key, whole, now_ns);
    key.scope = listener->index + 1;
    if (answer != SOURCE_ADMITTED && has_limits(own))
        leave(table, &key, own, true);
    return answer;
}

static void leave_both(struct source_table *table, const struct listener_config *listener,
                       const struct addr *client, bool is_paid_back)
{
    const struct source_limits *own = &listener->per_source;
    const struct source_limits *whole = &listener->snapshot->process.per_source;
    struct source_key key;

    if (table == NULL || !key_of(table, client, &key))
        return;
    key.scope = listener->index + 1;
    if (has_limits(own))
        leave(table, &key, own, is_paid_back);
    key.scope = NO_SCOPE;
    if (has_limits(whole))
        leave(table, &key, whole, is_paid_back);
}

void source_table_leave(struct source_table *table, const struct listener_config *listener,
                        const struct addr *client)
{
    leave_both(table, listener, client, false);
}

void source_table_withdraw(struct source_table *table, const struct listener_config *listener,
                           const struct addr *client)
{
    leave_both(table, listener, client, true);
}

size_t source_table_count(const struct source_table *table)
{
    size_t count = 0;

    for (size_t i = 0; table != NULL && i < table->shard_count; i++)
        count += atomic_load_explicit(&table->shards[i].count, memory_order_relaxed);
    return count;
}

uint64_t source_table_forgotten(const struct source_table *table)
{
    uint64_t count = 0;

    for (size_t i = 0; table != NULL && i < table->shard_count; i++)
        count += atomic_load_explicit(&table->shards[i].forgotten, memory_order_relaxed);
    return count;
}
