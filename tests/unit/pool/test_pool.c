/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool.c - tiers, limits, ejection and trials; the clock is a parameter. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pool/pool.h"

#define FAIL_TIMEOUT_MS 10000
#define FIVE_MINUTES_MS (5 * 60 * 1000)
#define THREADS 4
#define PICKS_PER_THREAD 20000
#define WINDOWS 60000
#define TAKEN_OUT 40000

static uint64_t seed = 1;

/* Chooses a server that is not among those tried. */
static enum pool_answer pick_untried(struct pool *from, struct server *const *tried,
                                     unsigned tried_count, int64_t now_ms, uint64_t *random,
                                     struct server **server)
{
    struct balance_request request = {
        .tried = tried, .tried_count = tried_count, .now_ms = now_ms, .seed = random};

    return pool_pick(from, &request, server);
}

static void make_pool(struct pool *pool, unsigned count)
{
    memset(pool, 0, sizeof(*pool));
    pool->name = strdup("pool");
    pool->options.max_fails = 3;
    pool->options.fail_timeout_ms = FAIL_TIMEOUT_MS;
    assert_true(pool_init(pool, count, 1));
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        const struct server_options options = {
            .name = name, .builtin = BUILTIN_ECHO, .weight = 1, .is_discovered = true};

        snprintf(name, sizeof(name), "s%u", i);
        assert_non_null(pool_add_server(pool, &options));
    }
}

static void prepare(struct pool *pool)
{
    assert_true(pool_prepare(pool));
}

static enum pool_answer pick(struct pool *pool, int64_t now_ms, struct server **server)
{
    return pick_untried(pool, NULL, 0, now_ms, &seed, server);
}

/* Chooses and leaves at once. */
static struct server *peek(struct pool *pool, int64_t now_ms)
{
    struct server *server;

    if (pick(pool, now_ms, &server) != POOL_CHOSEN)
        return NULL;
    pool_leave(pool, server);
    return server;
}

static bool fail_times(struct pool *pool, struct server *server, int times, int64_t now_ms)
{
    bool is_ejected = false;

    for (int i = 0; i < times; i++)
        is_ejected = pool_connect_failed(pool, server, now_ms);
    return is_ejected;
}

static void test_place_is_held_until_left(void **state)
{
    struct pool pool;
    struct server *server;

    (void)state;
    make_pool(&pool, 1);
    pool.servers[0]->max_connections = 1;
    prepare(&pool);
    assert_int_equal(pick(&pool, 0, &server), POOL_CHOSEN);
    assert_int_equal(server->active, 1);
    assert_int_equal(pick(&pool, 0, &server), POOL_ALL_FULL);
    assert_null(server);
    pool_leave(&pool, pool.servers[0]);
    assert_int_equal(pick(&pool, 0, &server), POOL_CHOSEN);
    pool_release(&pool);
}

static void test_tried_servers_are_not_chosen_again(void **state)
{
    struct pool pool;
    struct server *tried[2];
    struct server *server;

    (void)state;
    make_pool(&pool, 2);
    prepare(&pool);
    assert_int_equal(pick_untried(&pool, tried, 0, 0, &seed, &tried[0]), POOL_CHOSEN);
    assert_int_equal(pick_untried(&pool, tried, 1, 0, &seed, &tried[1]), POOL_CHOSEN);
    assert_ptr_not_equal(tried[0], tried[1]);
    assert_int_equal(pick_untried(&pool, tried, 2, 0, &seed, &server), POOL_NONE_USABLE);
    pool_release(&pool);
}

static void test_backups_wait_until_no_primary_is_usable(void **state)
{
    struct pool pool;
    struct server *tried[1];
    struct server *server;

    (void)state;
    make_pool(&pool, 3);
    pool.servers[0]->is_backup = true;
    pool.servers[1]->max_connections = 1;
    prepare(&pool);
    pool.servers[2]->admin = SERVER_ADMIN_MAINT;
    assert_int_equal(pick(&pool, 0, &server), POOL_CHOSEN);
    assert_ptr_equal(server, pool.servers[1]);
    /* Full is not down. */
    assert_int_equal(pick(&pool, 0, &server), POOL_ALL_FULL);
    /* For a session that has tried the primary, it is. */
    tried[0] = pool.servers[1];
    assert_int_equal(pick_untried(&pool, tried, 1, 0, &seed, &server), POOL_CHOSEN);
    assert_ptr_equal(server, pool.servers[0]);
    pool.servers[1]->admin = SERVER_ADMIN_DRAIN;
    assert_int_equal(pick(&pool, 0, &server), POOL_CHOSEN);
    assert_ptr_equal(server, pool.servers[0]);
    pool_release(&pool);
}

static void test_answers_tell_why_none_was_chosen(void **state)
{
    struct pool pool;
    struct server *server;

    (void)state;
    make_pool(&pool, 2);
    pool.servers[0]->builtin = BUILTIN_NONE;
    pool.servers[1]->builtin = BUILTIN_NONE;
    prepare(&pool);
    assert_int_equal(pick(&pool, 0, &server), POOL_UNRESOLVED);
    pool_release(&pool);

    make_pool(&pool, 2);
    pool.servers[0]->builtin = BUILTIN_NONE;
    prepare(&pool);
    pool.servers[1]->admin = SERVER_ADMIN_MAINT;
    assert_int_equal(pick(&pool, 0, &server), POOL_NONE_USABLE);
    pool_release(&pool);
}

static void test_server_is_ejected_after_max_fails_within_the_window(void **state)
{
    struct pool pool;
    struct server *bad;

    (void)state;
    make_pool(&pool, 2);
    prepare(&pool);
    bad = pool.servers[0];
    assert_false(fail_times(&pool, bad, 2, 1000));
    assert_int_equal(bad->health, SERVER_UP);
    assert_true(fail_times(&pool, bad, 1, 1000 + FAIL_TIMEOUT_MS - 1));
    assert_int_equal(bad->health, SERVER_EJECTED);
    for (int i = 0; i < 20; i++)
        assert_ptr_equal(peek(&pool, 1000 + FAIL_TIMEOUT_MS), pool.servers[1]);
    pool_release(&pool);
}

static void test_failures_of_an_old_window_do_not_count(void **state)
{
    struct pool pool;

    (void)state;
    make_pool(&pool, 2);
    prepare(&pool);
    assert_false(fail_times(&pool, pool.servers[0], 2, 1000));
    assert_false(fail_times(&pool, pool.servers[0], 2, 1000 + FAIL_TIMEOUT_MS));
    assert_true(fail_times(&pool, pool.servers[0], 1, 1000 + FAIL_TIMEOUT_MS));
    pool_release(&pool);
}

static void test_success_forgets_failures(void **state)
{
    struct pool pool;

    (void)state;
    make_pool(&pool, 2);
    prepare(&pool);
    assert_false(fail_times(&pool, pool.servers[0], 2, 1000));
    assert_false(pool_connect_succeeded(&pool, pool.servers[0], 1));
    assert_false(fail_times(&pool, pool.servers[0], 2, 1000));
    assert_true(fail_times(&pool, pool.servers[0], 1, 1000));
    pool_release(&pool);
}

static void test_last_usable_server_is_never_ejected(void **state)
{
    struct pool pool;

    (void)state;
    make_pool(&pool, 3);
    pool.servers[2]->builtin = BUILTIN_NONE; /* without an address it helps nobody */
    prepare(&pool);
    assert_true(fail_times(&pool, pool.servers[0], 3, 0));
    assert_false(fail_times(&pool, pool.servers[1], 30, 0));
    assert_int_equal(pool.servers[1]->health, SERVER_UP);
    assert_ptr_equal(peek(&pool, 1), pool.servers[1]);
    pool_release(&pool);

    make_pool(&pool, 1);
    prepare(&pool);
    assert_false(fail_times(&pool, pool.servers[0], 30, 0));
    assert_ptr_equal(peek(&pool, 1), pool.servers[0]);
    pool_release(&pool);
}

static void test_a_backup_counts_as_usable(void **state)
{
    struct pool pool;

    (void)state;
    make_pool(&pool, 2);
    pool.servers[1]->is_backup = true;
    prepare(&pool);
    assert_true(fail_times(&pool, pool.servers[0], 3, 0));
    assert_ptr_equal(peek(&pool, 1), pool.servers[1]);
    assert_false(fail_times(&pool, pool.servers[1], 30, 0));
    pool_release(&pool);
}

static void test_zero_max_fails_never_ejects(void **state)
{
    struct pool pool;

    (void)state;
    make_pool(&pool, 2);
    pool.options.max_fails = 0;
    prepare(&pool);
    assert_false(fail_times(&pool, pool.servers[0], 100, 0));
    assert_int_equal(pool.servers[0]->health, SERVER_UP);
    pool_release(&pool);
}

static void test_one_session_alone_tries_an_ejected_server(void **state)
{
    struct pool pool;
    struct server *bad;
    struct server *server;

    (void)state;
    make_pool(&pool, 2);
    prepare(&pool);
    bad = pool.servers[0];
    fail_times(&pool, bad, 3, 0);
    assert_ptr_equal(peek(&pool, FAIL_TIMEOUT_MS - 1), pool.servers[1]);
    assert_int_equal(pick(&pool, FAIL_TIMEOUT_MS, &server), POOL_CHOSEN);
    assert_ptr_equal(server, bad);
    assert_int_equal(bad->health, SERVER_TRIAL);
    for (int i = 0; i < 20; i++)
        assert_ptr_equal(peek(&pool, FAIL_TIMEOUT_MS + 1), pool.servers[1]);
    /* It answered: up, and as good as new. */
    assert_true(pool_connect_succeeded(&pool, bad, 1));
    assert_false(pool_connect_succeeded(&pool, bad, 1));
    assert_int_equal(bad->health, SERVER_UP);
    assert_false(fail_times(&pool, bad, 2, FAIL_TIMEOUT_MS + 2));
    assert_true(fail_times(&pool, bad, 1, FAIL_TIMEOUT_MS + 2));
    assert_ptr_equal(peek(&pool, 2 * FAIL_TIMEOUT_MS + 1), pool.servers[1]);
    assert_ptr_equal(peek(&pool, 2 * FAIL_TIMEOUT_MS + 2), bad);
    pool_release(&pool);
}

static void test_failed_trials_double_the_ejection_up_to_five_minutes(void **state)
{
    struct pool pool;
    struct server *bad;
    int64_t now = 0;
    int64_t wait = FAIL_TIMEOUT_MS;

    (void)state;
    make_pool(&pool, 2);
    prepare(&pool);
    bad = pool.servers[0];
    assert_true(fail_times(&pool, bad, 3, now));
    for (int i = 0; i < 40; i++) {
        struct server *server;

        assert_ptr_equal(peek(&pool, now + wait - 1), pool.servers[1]);
        now += wait;
        assert_int_equal(pick(&pool, now, &server), POOL_CHOSEN);
        assert_ptr_equal(server, bad);
        assert_true(pool_connect_failed(&pool, bad, now));
        pool_leave(&pool, bad);
        wait = 2 * wait < FIVE_MINUTES_MS ? 2 * wait : FIVE_MINUTES_MS;
    }
    assert_int_equal(wait, FIVE_MINUTES_MS);
    assert_int_equal(bad->active, 0);
    pool_release(&pool);
}

static void test_abandoned_trial_is_given_to_the_next_session(void **state)
{
    struct pool pool;
    struct server *server;

    (void)state;
    make_pool(&pool, 2);
    prepare(&pool);
    fail_times(&pool, pool.servers[0], 3, 0);
    assert_ptr_equal(peek(&pool, FAIL_TIMEOUT_MS), pool.servers[0]);
    pool_connect_abandoned(&pool, pool.servers[0]);
    assert_int_equal(pick(&pool, FAIL_TIMEOUT_MS, &server), POOL_CHOSEN);
    assert_ptr_equal(server, pool.servers[0]);
    /* Of a server that is up, nothing has to be given back. */
    pool_connect_abandoned(&pool, pool.servers[1]);
    assert_int_equal(pool.servers[1]->health, SERVER_UP);
    pool_release(&pool);
}

static void test_trial_needs_a_place_and_a_session_that_has_not_tried_it(void **state)
{
    struct pool pool;
    struct server *tried[1];
    struct server *server;

    (void)state;
    make_pool(&pool, 2);
    pool.servers[0]->max_connections = 1;
    prepare(&pool);
    fail_times(&pool, pool.servers[0], 3, 0);
    pool.servers[0]->active = 1; /* an old session lives on */
    assert_ptr_equal(peek(&pool, FAIL_TIMEOUT_MS), pool.servers[1]);
    pool.servers[0]->active = 0;
    tried[0] = pool.servers[0];
    assert_int_equal(pick_untried(&pool, tried, 1, FAIL_TIMEOUT_MS, &seed, &server), POOL_CHOSEN);
    assert_ptr_equal(server, pool.servers[1]);
    assert_int_equal(pool.servers[0]->health, SERVER_EJECTED);
    pool_release(&pool);
}

static void test_ejected_backup_is_not_tried_while_a_primary_is_usable(void **state)
{
    struct pool pool;

    (void)state;
    make_pool(&pool, 2);
    pool.servers[1]->is_backup = true;
    prepare(&pool);
    assert_true(fail_times(&pool, pool.servers[1], 3, 0));
    for (int i = 0; i < 20; i++)
        assert_ptr_equal(peek(&pool, 2 * FAIL_TIMEOUT_MS), pool.servers[0]);
    pool_release(&pool);
}

static void test_ejected_server_is_the_last_resort_of_a_session(void **state)
{
    struct pool pool;
    struct server *tried[2];
    struct server *server;

    (void)state;
    make_pool(&pool, 3);
    pool.servers[2]->admin = SERVER_ADMIN_MAINT;
    prepare(&pool);
    fail_times(&pool, pool.servers[0], 3, 0);
    tried[0] = pool.servers[1];
    assert_int_equal(pick_untried(&pool, tried, 1, 1, &seed, &server), POOL_CHOSEN);
    assert_ptr_equal(server, pool.servers[0]);
    assert_int_equal(server->active, 1);
    assert_int_equal(server->health, SERVER_EJECTED);
    /* It fails: nothing new. Nobody is left then. */
    assert_false(pool_connect_failed(&pool, server, 1));
    pool_leave(&pool, server);
    tried[1] = server;
    assert_int_equal(pick_untried(&pool, tried, 2, 1, &seed, &server), POOL_NONE_USABLE);
    /* It answers: it is up again. */
    assert_true(pool_connect_succeeded(&pool, pool.servers[0], 1));
    assert_int_equal(pool.servers[0]->health, SERVER_UP);
    pool_release(&pool);
}

static void test_the_last_resort_is_the_server_whose_ejection_ends_first(void **state)
{
    struct pool pool;
    struct server *server;
    unsigned chosen[4] = {0};

    (void)state;
    make_pool(&pool, 4);
    prepare(&pool);
    pool.servers[3]->admin = SERVER_ADMIN_MAINT;
    for (unsigned i = 0; i < 3; i++) {
        pool.servers[i]->health = SERVER_EJECTED;
        pool.servers[i]->ejected_until_ms = 2000;
    }
    pool.out_count = 3;
    pool.servers[2]->ejected_until_ms = 1000;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pick_untried(&pool, NULL, 0, 1, &seed, &server), POOL_CHOSEN);
        assert_ptr_equal(server, pool.servers[2]);
        pool_leave(&pool, server);
    }
    /* Full ones do not count, and of equals each has its share. */
    pool.servers[2]->max_connections = 1;
    pool.servers[2]->active = 1;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pick_untried(&pool, NULL, 0, 1, &seed, &server), POOL_CHOSEN);
        chosen[server->position]++;
        pool_leave(&pool, server);
    }
    assert_int_equal(chosen[0] + chosen[1], 100);
    assert_in_range(chosen[0], 20, 80);
    pool_release(&pool);
}

static void test_late_failures_do_not_prolong_an_ejection(void **state)
{
    struct pool pool;

    (void)state;
    make_pool(&pool, 2);
    prepare(&pool);
    fail_times(&pool, pool.servers[0], 3, 0);
    assert_false(fail_times(&pool, pool.servers[0], 5, FAIL_TIMEOUT_MS - 1));
    assert_ptr_equal(peek(&pool, FAIL_TIMEOUT_MS), pool.servers[0]);
    pool_release(&pool);
}

static void test_administrative_states_stay_whatever_connects_say(void **state)
{
    struct pool pool;

    (void)state;
    make_pool(&pool, 2);
    prepare(&pool);
    pool.servers[0]->admin = SERVER_ADMIN_DRAIN;
    assert_false(pool_connect_succeeded(&pool, pool.servers[0], 1));
    assert_false(fail_times(&pool, pool.servers[0], 5, 0));
    pool_connect_abandoned(&pool, pool.servers[0]);
    assert_int_equal(pool.servers[0]->health, SERVER_UP);
    pool_release(&pool);
}

static void test_long_fail_timeout_is_not_cut(void **state)
{
    struct pool pool;
    const int64_t hour = 3600000;

    (void)state;
    make_pool(&pool, 2);
    pool.options.fail_timeout_ms = hour;
    prepare(&pool);
    fail_times(&pool, pool.servers[0], 3, 0);
    assert_ptr_equal(peek(&pool, hour - 1), pool.servers[1]);
    assert_ptr_equal(peek(&pool, hour), pool.servers[0]);
    assert_true(pool_connect_failed(&pool, pool.servers[0], hour));
    assert_ptr_equal(peek(&pool, 2 * hour - 1), pool.servers[1]);
    assert_ptr_equal(peek(&pool, 2 * hour), pool.servers[0]);
    pool_release(&pool);
}

static void test_release_of_an_empty_pool_is_harmless(void **state)
{
    struct pool pool = {0};

    (void)state;
    pool_release(&pool);
}

/* Threads choose, fail, succeed and leave at random; what must hold is checked while they do. */
struct storm {
    struct pool *pool;
    uint64_t seed;
    unsigned over_limit;
    unsigned none_usable;
};

static void *storm_run(void *argument)
{
    struct storm *storm = argument;
    struct pool *pool = storm->pool;

    for (int i = 0; i < PICKS_PER_THREAD; i++) {
        struct server *server;
        enum pool_answer answer = pick_untried(pool, NULL, 0, i / 10, &storm->seed, &server);

        if (answer != POOL_CHOSEN) {
            storm->none_usable += answer != POOL_ALL_FULL;
            continue;
        }
        if (server->active > server->max_connections)
            storm->over_limit++;
        if (storm->seed % 3 == 0)
            pool_connect_succeeded(pool, server, 1);
        else if (storm->seed % 3 == 1)
            pool_connect_failed(pool, server, i / 10);
        else
            pool_connect_abandoned(pool, server);
        pool_leave(pool, server);
    }
    return NULL;
}

static void storm(enum balance balance)
{
    struct pool pool;
    struct storm storms[THREADS] = {0};
    pthread_t threads[THREADS];
    unsigned out = 0;

    make_pool(&pool, 3);
    pool.options.balance = balance;
    pool.options.max_fails = 2;
    pool.options.fail_timeout_ms = 3;
    for (int i = 0; i < 3; i++)
        pool.servers[i]->max_connections = 2;
    prepare(&pool);
    for (unsigned i = 0; i < THREADS; i++) {
        storms[i].pool = &pool;
        storms[i].seed = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, storm_run, &storms[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(storms[i].over_limit, 0);
        assert_int_equal(storms[i].none_usable, 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pool.servers[i]->active, 0);
        out += pool.servers[i]->health != SERVER_UP;
    }
    assert_int_equal(pool.out_count, out);
    assert_true(out < 3);
    pool_release(&pool);
}

static void test_many_threads_keep_the_counts_right(void **state)
{
    (void)state;
    storm(BALANCE_LEASTCONN);
    storm(BALANCE_ROUNDROBIN);
    storm(BALANCE_RANDOM);
    storm(BALANCE_FIRST);
}

static void set_check(struct pool *pool, unsigned first, unsigned count, enum server_check check)
{
    for (unsigned i = first; i < first + count; i++)
        pool->servers[i]->check = check;
}

static void test_fail_open_tries_servers_that_are_down(void **state)
{
    struct pool pool;
    struct server *server;

    (void)state;
    make_pool(&pool, 3);
    pool.servers[2]->admin = SERVER_ADMIN_MAINT;
    prepare(&pool);
    set_check(&pool, 0, 3, SERVER_CHECK_DOWN);
    assert_int_equal(pick(&pool, 0, &server), POOL_NONE_USABLE);
    pool.options.fail_open = true;
    for (unsigned i = 0; i < 20; i++) {
        server = peek(&pool, 0);
        assert_true(server == pool.servers[0] || server == pool.servers[1]);
    }
    /* One that is up has all sessions again. */
    set_check(&pool, 1, 1, SERVER_CHECK_UP);
    for (unsigned i = 0; i < 20; i++)
        assert_ptr_equal(peek(&pool, 0), pool.servers[1]);
    /* It was tried, and the others are known to be down: that is all there is. */
    assert_int_equal(pick_untried(&pool, &pool.servers[1], 1, 0, &seed, &server), POOL_NONE_USABLE);
    /* Nobody may be tried. */
    for (unsigned i = 0; i < 3; i++)
        pool.servers[i]->admin = SERVER_ADMIN_MAINT;
    assert_int_equal(pick(&pool, 0, &server), POOL_NONE_USABLE);
    pool_release(&pool);
}

static void test_fail_open_begins_with_the_first_tier(void **state)
{
    struct pool pool;

    (void)state;
    make_pool(&pool, 2);
    pool.servers[0]->is_backup = true;
    pool.options.fail_open = true;
    prepare(&pool);
    set_check(&pool, 0, 2, SERVER_CHECK_DOWN);
    assert_ptr_equal(peek(&pool, 0), pool.servers[1]);
    set_check(&pool, 0, 1, SERVER_CHECK_UP);
    assert_ptr_equal(peek(&pool, 0), pool.servers[0]);
    pool_release(&pool);
}

static void test_return_from_an_ejection_begins_the_slow_start(void **state)
{
    struct pool pool;
    struct server *bad;

    (void)state;
    make_pool(&pool, 2);
    prepare(&pool);
    bad = pool.servers[0];
    assert_false(pool_connect_succeeded(&pool, bad, 7));
    assert_int_equal(bad->up_since_ms, 0);
    assert_true(fail_times(&pool, bad, 3, 0));
    assert_true(pool_connect_succeeded(&pool, bad, 20000));
    assert_int_equal(bad->up_since_ms, 20000);
    pool_release(&pool);
}

static void test_trial_of_a_key_is_given_to_its_own_server(void **state)
{
    struct pool pool;
    struct server *home[100];
    struct server *bad;

    (void)state;
    make_pool(&pool, 3);
    pool.options.balance = BALANCE_MAGLEV;
    pool.options.maglev_size = 4099;
    prepare(&pool);
    bad = pool.servers[1];
    for (unsigned key = 0; key < ARRAY_LENGTH(home); key++) {
        struct balance_request request = {.seed = &seed, .hash = maglev_hash(&key, sizeof(key))};

        assert_int_equal(pool_pick(&pool, &request, &home[key]), POOL_CHOSEN);
        pool_leave(&pool, home[key]);
    }
    assert_true(fail_times(&pool, bad, 3, 0));
    for (unsigned key = 0; key < ARRAY_LENGTH(home); key++) {
        struct balance_request request = {
            .seed = &seed, .hash = maglev_hash(&key, sizeof(key)), .now_ms = FAIL_TIMEOUT_MS};
        struct server *server;

        assert_int_equal(pool_pick(&pool, &request, &server), POOL_CHOSEN);
        pool_leave(&pool, server);
        if (home[key] != bad) {
            assert_ptr_equal(server, home[key]);
        } else {
            assert_ptr_equal(server, bad);
            pool_connect_abandoned(&pool, bad);
        }
    }
    pool_release(&pool);
}

/* With every other server full the key has none that it would rather have. */
static void test_trial_of_a_key_goes_to_any_when_the_others_are_full(void **state)
{
    struct pool pool;

    (void)state;
    make_pool(&pool, 3);
    pool.options.balance = BALANCE_MAGLEV;
    pool.options.maglev_size = 4099;
    prepare(&pool);
    assert_true(fail_times(&pool, pool.servers[1], 3, 0));
    for (int i = 0; i < 3; i += 2)
        pool.servers[i]->active = pool.servers[i]->max_connections = 1;
    for (unsigned key = 0; key < 100; key++) {
        struct balance_request request = {
            .seed = &seed, .hash = maglev_hash(&key, sizeof(key)), .now_ms = FAIL_TIMEOUT_MS};
        struct server *server;

        assert_int_equal(pool_pick(&pool, &request, &server), POOL_CHOSEN);
        assert_ptr_equal(server, pool.servers[1]);
        pool_leave(&pool, server);
        pool_connect_abandoned(&pool, server);
    }
    pool_release(&pool);
}

/* Two threads that meet at each round. */
struct rounds {
    struct pool *pool;
    _Atomic unsigned here; /* threads that have come to the next round, of all rounds */
    _Atomic bool is_over;
    _Atomic unsigned given; /* sessions that a server was given to */
    _Atomic int64_t now_ms;
};

static void meet(struct rounds *rounds, unsigned round)
{
    atomic_fetch_add(&rounds->here, 1);
    for (unsigned look = 1; atomic_load(&rounds->here) < 2 * round; look++) {
        if (look % 1024 == 0)
            sched_yield();
    }
}

static void *fail_once_a_round(void *argument)
{
    struct rounds *rounds = argument;

    for (unsigned round = 1; round <= WINDOWS; round++) {
        meet(rounds, 2 * round - 1);
        pool_connect_failed(rounds->pool, rounds->pool->servers[0], rounds->now_ms);
        meet(rounds, 2 * round);
    }
    return NULL;
}

/* Two failures of a window before and two of this one are not three. */
static void test_failures_of_an_old_window_do_not_count_for_two_threads(void **state)
{
    struct pool pool;
    struct rounds rounds = {.pool = &pool};
    pthread_t thread;

    (void)state;
    make_pool(&pool, 2);
    prepare(&pool);
    assert_int_equal(pthread_create(&thread, NULL, fail_once_a_round, &rounds), 0);
    for (unsigned round = 1; round <= WINDOWS; round++) {
        rounds.now_ms += 2 * FAIL_TIMEOUT_MS;
        meet(&rounds, 2 * round - 1);
        pool_connect_failed(&pool, pool.servers[0], rounds.now_ms);
        meet(&rounds, 2 * round);
        assert_int_equal(pool.servers[0]->failures, 2);
        assert_int_equal(pool.servers[0]->health, SERVER_UP);
    }
    pthread_join(thread, NULL);
    pool_release(&pool);
}

static void *choose_all_the_time(void *argument)
{
    struct rounds *rounds = argument;
    uint64_t random = 1;
    struct server *server;

    while (!atomic_load(&rounds->is_over)) {
        if (pick_untried(rounds->pool, NULL, 0, 0, &random, &server) != POOL_CHOSEN)
            continue;
        atomic_fetch_add(&rounds->given, 1);
        pool_leave(rounds->pool, server);
    }
    return NULL;
}

/* Who takes a server out and then sees nobody on it may rely on that. */
static void test_nobody_comes_to_a_server_that_is_out_and_empty(void **state)
{
    struct pool pool;
    struct rounds rounds = {.pool = &pool};
    pthread_t thread;
    unsigned came_late = 0;

    (void)state;
    make_pool(&pool, 256); /* the others are looked at in vain before the place is taken */
    set_check(&pool, 1, 255, SERVER_CHECK_DOWN);
    prepare(&pool);
    assert_int_equal(pthread_create(&thread, NULL, choose_all_the_time, &rounds), 0);
    for (unsigned round = 0; round < TAKEN_OUT; round++) {
        unsigned before = atomic_load(&rounds.given);

        while (round % 64 == 0 && atomic_load(&rounds.given) == before)
            sched_yield();
        if (round % 2 == 0)
            atomic_store(&pool.servers[0]->check, SERVER_CHECK_DOWN);
        else
            atomic_store(&pool.servers[0]->admin, SERVER_ADMIN_DRAIN);
        if (server_active_now(pool.servers[0]) == 0) {
            before = atomic_load(&rounds.given);
            for (unsigned look = 0; look < 200 && atomic_load(&rounds.given) == before; look++)
                ;
            came_late += atomic_load(&rounds.given) != before;
        }
        atomic_store(&pool.servers[0]->check, SERVER_CHECK_UP);
        atomic_store(&pool.servers[0]->admin, SERVER_ADMIN_UP);
    }
    atomic_store(&rounds.is_over, true);
    pthread_join(thread, NULL);
    assert_int_equal(came_late, 0);
    pool_release(&pool);
}

static void test_sources_are_of_the_servers_family(void **state)
{
    struct addr sources[] = {{.family = AF_INET}, {.family = AF_INET6}, {.family = AF_INET6}};
    struct pool_options options = {.sources = sources, .source_count = 3, .source_v4_count = 1};
    const struct addr *found;

    (void)state;
    assert_int_equal(pool_sources(&options, AF_INET, &found), 1);
    assert_ptr_equal(found, &sources[0]);
    assert_int_equal(pool_sources(&options, AF_INET6, &found), 2);
    assert_ptr_equal(found, &sources[1]);
    assert_int_equal(pool_sources(&options, AF_UNIX, &found), 0);
    options = (struct pool_options){.sources = NULL};
    assert_int_equal(pool_sources(&options, AF_INET, &found), 0);
    assert_int_equal(pool_sources(&options, AF_INET6, &found), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources_are_of_the_servers_family),
        cmocka_unit_test(test_place_is_held_until_left),
        cmocka_unit_test(test_tried_servers_are_not_chosen_again),
        cmocka_unit_test(test_backups_wait_until_no_primary_is_usable),
        cmocka_unit_test(test_answers_tell_why_none_was_chosen),
        cmocka_unit_test(test_server_is_ejected_after_max_fails_within_the_window),
        cmocka_unit_test(test_failures_of_an_old_window_do_not_count),
        cmocka_unit_test(test_success_forgets_failures),
        cmocka_unit_test(test_last_usable_server_is_never_ejected),
        cmocka_unit_test(test_a_backup_counts_as_usable),
        cmocka_unit_test(test_zero_max_fails_never_ejects),
        cmocka_unit_test(test_one_session_alone_tries_an_ejected_server),
        cmocka_unit_test(test_failed_trials_double_the_ejection_up_to_five_minutes),
        cmocka_unit_test(test_abandoned_trial_is_given_to_the_next_session),
        cmocka_unit_test(test_trial_needs_a_place_and_a_session_that_has_not_tried_it),
        cmocka_unit_test(test_ejected_backup_is_not_tried_while_a_primary_is_usable),
        cmocka_unit_test(test_ejected_server_is_the_last_resort_of_a_session),
        cmocka_unit_test(test_the_last_resort_is_the_server_whose_ejection_ends_first),
        cmocka_unit_test(test_late_failures_do_not_prolong_an_ejection),
        cmocka_unit_test(test_administrative_states_stay_whatever_connects_say),
        cmocka_unit_test(test_long_fail_timeout_is_not_cut),
        cmocka_unit_test(test_release_of_an_empty_pool_is_harmless),
        cmocka_unit_test(test_many_threads_keep_the_counts_right),
        cmocka_unit_test(test_fail_open_tries_servers_that_are_down),
        cmocka_unit_test(test_fail_open_begins_with_the_first_tier),
        cmocka_unit_test(test_return_from_an_ejection_begins_the_slow_start),
        cmocka_unit_test(test_trial_of_a_key_is_given_to_its_own_server),
        cmocka_unit_test(test_trial_of_a_key_goes_to_any_when_the_others_are_full),
        cmocka_unit_test(test_failures_of_an_old_window_do_not_count_for_two_threads),
        cmocka_unit_test(test_nobody_comes_to_a_server_that_is_out_and_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
