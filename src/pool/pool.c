/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c - the choice of a server: tiers, trials and passive ejection.
 *
 * Health changes: UP -> EJECTED -> TRIAL -> UP or EJECTED again. The first and the last step happen
 * under eject_mutex, so the last usable server stays; the step to TRIAL is a compare-and-swap, so
 * one session alone has the trial.
 */
#include "pool/pool.h"

#include <sys/eventfd.h>

#include "pool/server_change.h"

/* Doubling ends here: at five minutes, which a millisecond reaches in 19 steps. */
#define EJECTION_MAX_MS (5 * 60 * 1000)
#define EJECTIONS_COUNTED 20

unsigned pool_sources(const struct pool_options *options, int family, const struct addr **sources)
{
    *sources = options->sources;
    if (family == AF_INET)
        return options->source_v4_count;
    if (family != AF_INET6 || options->sources == NULL)
        return 0;
    *sources += options->source_v4_count;
    return options->source_count - options->source_v4_count;
}

/* Valid for this turn of the caller's loop. */
static struct pool_members *pool_members_now(const struct pool *pool)
{
    return atomic_load_explicit(&pool->members, memory_order_acquire);
}

static enum server_health health_of(const struct server *server)
{
    /* Acquire: ejected_until_ms is written before. */
    return (enum server_health)atomic_load_explicit(&server->health, memory_order_acquire);
}

static bool health_swap(struct server *server, enum server_health from, enum server_health to)
{
    int expected = from;

    return atomic_compare_exchange_strong_explicit(&server->health, &expected, to,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

/* Whether nothing but its ejection could keep sessions from it. */
static bool may_return(const struct server *server)
{
    return atomic_load_explicit(&server->check, memory_order_relaxed) == SERVER_CHECK_UP &&
           server_may_be_tried(server);
}

/* Release and acquire: see pool/pool_queue.c. */
static void give_place_back(struct pool *pool, struct server *server)
{
    atomic_fetch_sub_explicit(&server->active, 1, memory_order_acq_rel);
    if (pool_queue_length(pool) != 0)
        pool_queue_changed(pool);
}

bool pool_trial_is_due(const struct server *server, int64_t now_ms)
{
    return health_of(server) == SERVER_EJECTED &&
           now_ms >= atomic_load_explicit(&server->ejected_until_ms, memory_order_relaxed) &&
           may_return(server) && server_has_place(server);
}

/* Takes a place on an ejected server whose ejection has ended, for the one trial. */
static bool take_trial(struct pool *pool, const struct balance_request *request,
                       struct server *server)
{
    if (!pool_trial_is_due(server, request->now_ms) || balance_has_tried(request, server) ||
        !server_take_place(server))
        return false;
    if (health_swap(server, SERVER_EJECTED, SERVER_TRIAL))
        return true;
    give_place_back(pool, server);
    return false;
}

/* The trial that is due, with a place taken; NULL when none is. */
static struct server *pick_trial(struct pool *pool, const struct balance_tier *tier,
                                 const struct balance_request *request)
{
    for (unsigned i = 0; i < tier->count; i++) {
        if (take_trial(pool, request, tier->servers[i]))
            return tier->servers[i];
    }
    return NULL;
}

/* The same for a key: of the servers that it would rather have than the one it gets. */
static struct server *pick_trial_of_key(struct pool *pool, const struct balance_tier *tier,
                                        const struct balance_request *request)
{
    struct maglev_walk walk = maglev_walk_begin(&tier->maglev, request->hash);
    int index;

    while ((index = maglev_walk_next(&walk)) >= 0) {
        struct server *server = tier->servers[index];

        if (take_trial(pool, request, server))
            return server;
        if (server_is_usable(server) && server_has_place(server) &&
            !balance_has_tried(request, server))
            return NULL;
    }
    return NULL;
}

static struct server *pick_from_tier(struct pool *pool, struct balance_tier *tier,
                                     struct balance_request *request)
{
    if (atomic_load_explicit(&pool->out_count, memory_order_relaxed) != 0) {
        struct server *server = pool->options.balance == BALANCE_MAGLEV
                                    ? pick_trial_of_key(pool, tier, request)
                                    : pick_trial(pool, tier, request);

        if (server != NULL)
            return server;
    }
    return balance_pick(pool->options.balance, tier, request);
}

/* One tier after the other: the next one only when no server is usable, not when all are full. */
static struct server *pick_from_pool(struct pool *pool, struct pool_members *members,
                                     struct balance_request *request)
{
    struct server *server = NULL;

    for (unsigned i = 0; i < members->tier_count && server == NULL && !request->is_full_seen; i++)
        server = pick_from_tier(pool, &members->tiers[i], request);
    return server;
}

static bool is_out(const struct server *server)
{
    enum server_health health = health_of(server);

    return health == SERVER_EJECTED || health == SERVER_TRIAL;
}

/* Of the ejected servers that this session has not tried and that have a place, the one whose
   ejection ends first; of several the first from a random one on. */
static struct server *find_ejected(const struct pool_members *members,
                                   const struct balance_request *request)
{
    unsigned start = balance_random_below(request->seed, members->server_count);
    struct server *best = NULL;
    int64_t best_until_ms = INT64_MAX;

    for (unsigned step = 0; step < members->server_count; step++) {
        struct server *server = members->servers[(start + step) % members->server_count];
        int64_t until_ms = atomic_load_explicit(&server->ejected_until_ms, memory_order_relaxed);

        if (until_ms < best_until_ms && is_out(server) && may_return(server) &&
            server_has_place(server) && !balance_has_tried(request, server)) {
            best = server;
            best_until_ms = until_ms;
        }
    }
    return best;
}

/*
 * The last resort: an ejected server that this session has not tried. It may have come back, and
 * the session would fail otherwise. Its health changes only if it answers.
 */
static struct server *pick_ejected(const struct pool_members *members,
                                   const struct balance_request *request)
{
    struct server *server;

    do
        server = find_ejected(members, request);
    while (server != NULL && !server_take_place(server)); /* another thread took the last one */
    return server;
}

static bool has_usable(const struct pool_members *members)
{
    for (unsigned i = 0; i < members->server_count; i++) {
        if (server_is_usable(members->servers[i]))
            return true;
    }
    return false;
}

/* A server with a place taken; `request->is_desperate` says how it was chosen. */
static struct server *choose(struct pool *pool, struct pool_members *members,
                             struct balance_request *request)
{
    struct server *server;

    request->is_full_seen = false;
    request->is_desperate = false;
    server = pick_from_pool(pool, members, request);
    if (server == NULL && !request->is_full_seen &&
        atomic_load_explicit(&pool->out_count, memory_order_relaxed) != 0) {
        /* One server may have come back behind the look while another went out before it. */
        pthread_mutex_lock(&pool->eject_mutex);
        server = pick_from_pool(pool, members, request);
        pthread_mutex_unlock(&pool->eject_mutex);
        if (server == NULL && !request->is_full_seen)
            server = pick_ejected(members, request);
    }
    /* fail_open: what the checks say may be wrong, and the session would fail otherwise. */
    if (server == NULL && !request->is_full_seen && pool->options.fail_open &&
        !has_usable(members)) {
        request->is_desperate = true;
        server = pick_from_pool(pool, members, request);
    }
    return server;
}

/* Whether the server went out of service between the look at it and the taking of its place: see
   server_active_now(). */
static bool is_overtaken(const struct balance_request *request, const struct server *server)
{
    return request->is_desperate ? !server_may_be_tried(server) : !may_return(server);
}

enum pool_answer pool_pick(struct pool *pool, struct balance_request *request,
                           struct server **server)
{
    struct pool_members *members = pool_members_now(pool);

    request->slow_start_ms = pool->options.slow_start_ms;
    while ((*server = choose(pool, members, request)) != NULL && is_overtaken(request, *server)) {
        pool_connect_abandoned(pool, *server);
        give_place_back(pool, *server);
    }
    if (*server != NULL) {
        if ((*server)->is_discovered)
            atomic_fetch_add_explicit(&(*server)->users, 1, memory_order_relaxed);
        return POOL_CHOSEN;
    }
    if (request->is_full_seen)
        return POOL_ALL_FULL;
    return members->has_address ? POOL_NONE_USABLE : POOL_UNRESOLVED;
}

int pool_sessions(const struct pool *pool)
{
    int sessions = 0;

    for (unsigned i = 0; i < pool->server_count; i++) {
        const struct server *server = pool->servers[i];

        if (server != NULL)
            sessions += atomic_load_explicit(&server->active, memory_order_relaxed);
    }
    return sessions;
}

void pool_leave(struct pool *pool, struct server *server)
{
    give_place_back(pool, server);
}

void pool_forget(struct server *server)
{
    /* Release: whoever frees the server has seen all that this session did with it. */
    if (server->is_discovered)
        atomic_fetch_sub_explicit(&server->users, 1, memory_order_release);
}

bool pool_connect_succeeded(struct pool *pool, struct server *server, int64_t now_ms)
{
    bool was_out;

    /* Mostly nothing has to be written: the line stays shared between the workers. */
    if (atomic_load_explicit(&server->failures, memory_order_relaxed) != 0)
        atomic_store_explicit(&server->failures, 0, memory_order_relaxed);
    if (health_of(server) == SERVER_UP)
        return false;
    pthread_mutex_lock(&pool->eject_mutex);
    was_out = health_of(server) != SERVER_UP;
    if (was_out) {
        atomic_store_explicit(&server->up_since_ms, now_ms, memory_order_relaxed);
        /* From whatever it is: a trial may be taken or given back just now. */
        atomic_store_explicit(&server->health, SERVER_UP, memory_order_release);
        atomic_store_explicit(&server->ejections, 0, memory_order_relaxed);
        atomic_fetch_sub_explicit(&pool->out_count, 1, memory_order_relaxed);
        server_change_mark(server, SERVER_CAUSE_PASSIVE, now_ms);
    }
    pthread_mutex_unlock(&pool->eject_mutex);
    if (was_out) /* without a look at `length`, which might not see who joins just now */
        pool_queue_changed(pool);
    return was_out;
}

/* Whether a server besides this one may be chosen. Under eject_mutex. */
static bool is_other_usable(const struct pool *pool, const struct server *server)
{
    const struct pool_members *members = pool_members_now(pool);

    for (unsigned i = 0; i < members->server_count; i++) {
        if (members->servers[i] != server && server_is_usable(members->servers[i]))
            return true;
    }
    return false;
}

/* How long the next ejection lasts after so many in a row: each twice as long as the one before. */
static int64_t ejection_ms(const struct pool *pool, int ejections)
{
    int64_t ms = pool->options.fail_timeout_ms;
    int64_t longest = ms > EJECTION_MAX_MS ? ms : EJECTION_MAX_MS;

    for (int i = 0; i < ejections && ms < longest; i++)
        ms *= 2;
    return ms < longest ? ms : longest;
}

/* Ejects the server if its health is still `from`. Under eject_mutex. */
static bool eject(struct pool *pool, struct server *server, enum server_health from, int64_t now_ms)
{
    int ejections = atomic_load_explicit(&server->ejections, memory_order_relaxed);

    if (health_of(server) != from ||
        atomic_load_explicit(&server->is_removed, memory_order_relaxed))
        return false;
    atomic_store_explicit(&server->ejected_until_ms, now_ms + ejection_ms(pool, ejections),
                          memory_order_relaxed);
    if (!health_swap(server, from, SERVER_EJECTED))
        return false;
    if (ejections < EJECTIONS_COUNTED)
        atomic_store_explicit(&server->ejections, ejections + 1, memory_order_relaxed);
    atomic_store_explicit(&server->failures, 0, memory_order_relaxed);
    server_change_mark(server, SERVER_CAUSE_PASSIVE, now_ms);
    return true;
}

/* Counts a failure in the current window. Under eject_mutex: those of the window before must be
   gone when the next thread counts. */
static int count_failure(struct pool *pool, struct server *server, int64_t now_ms)
{
    if (now_ms >= atomic_load_explicit(&server->window_end_ms, memory_order_relaxed)) {
        atomic_store_explicit(&server->window_end_ms, now_ms + pool->options.fail_timeout_ms,
                              memory_order_relaxed);
        atomic_store_explicit(&server->failures, 0, memory_order_relaxed);
    }
    return atomic_fetch_add_explicit(&server->failures, 1, memory_order_relaxed) + 1;
}

/* A server may have moved: its name is looked up anew, as soon as the rules allow. */
static void want_lookup(struct pool *pool)
{
    if (!atomic_exchange_explicit(&pool->lookup_wanted, true, memory_order_relaxed))
        (void)eventfd_write(pool->lookup_fd, 1);
}

bool pool_connect_failed(struct pool *pool, struct server *server, int64_t now_ms)
{
    bool is_ejected = false;

    if (server->is_discovered && pool->lookup_fd != -1)
        want_lookup(pool);
    if (pool->options.max_fails == 0 ||
        atomic_load_explicit(&server->is_removed, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&pool->eject_mutex);
    switch (health_of(server)) {
    case SERVER_UP:
        is_ejected = may_return(server) &&
                     count_failure(pool, server, now_ms) >= pool->options.max_fails &&
                     is_other_usable(pool, server) && eject(pool, server, SERVER_UP, now_ms);
        if (is_ejected)
            atomic_fetch_add_explicit(&pool->out_count, 1, memory_order_relaxed);
        break;
    case SERVER_TRIAL:
        is_ejected = eject(pool, server, SERVER_TRIAL, now_ms);
        break;
    case SERVER_EJECTED: /* by another session, while this one was connecting */
        break;
    }
    pthread_mutex_unlock(&pool->eject_mutex);
    return is_ejected;
}

void pool_connect_abandoned(struct pool *pool, struct server *server)
{
    (void)pool;
    health_swap(server, SERVER_TRIAL, SERVER_EJECTED);
}
