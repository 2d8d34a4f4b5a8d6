/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool_queue.c - who waits, who is called, and that no place is missed by any thread. */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "pool/pool.h"

#define QUEUE_SIZE 8

static uint64_t seed = 1;
static int wakes;

static void count_wake(struct pool_caller *caller)
{
    (void)caller;
    wakes++;
}

/* A pool of `count` servers with one place each. */
static void make_pool(struct pool *pool, unsigned count)
{
    memset(pool, 0, sizeof(*pool));
    assert_true(pool_init(pool, count, 1));
    pool->name = strdup("pool");
    pool->options.queue_size = QUEUE_SIZE;
    pool->options.max_fails = 1;
    pool->options.fail_timeout_ms = 10000;
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        const struct server_options options = {
            .name = name, .builtin = BUILTIN_ECHO, .weight = 1, .max_connections = 1};

        snprintf(name, sizeof(name), "s%u", i);
        assert_non_null(pool_add_server(pool, &options));
    }
    assert_true(pool_prepare(pool));
    wakes = 0;
}

static struct server *take(struct pool *pool)
{
    struct balance_request request = {.seed = &seed};
    struct server *server;

    return pool_pick(pool, &request, &server) == POOL_CHOSEN ? server : NULL;
}

static void test_nobody_waits_in_an_open_pool(void **state)
{
    struct pool pool;

    (void)state;
    make_pool(&pool, 1);
    assert_false(pool_queue_is_ahead(&pool));
    assert_int_equal(pool_queue_length(&pool), 0);
    pool_queue_changed(&pool);
    pool_release(&pool);
}

static void test_a_freed_place_calls_the_first_waiter(void **state)
{
    struct pool pool;
    struct pool_caller caller;
    struct pool_waiter first = {0}, second = {0};
    struct server *server;

    (void)state;
    make_pool(&pool, 1);
    pool_caller_init(&caller, count_wake);
    server = take(&pool);
    assert_true(pool_queue_join(&pool, &first, &caller));
    assert_true(pool_queue_join(&pool, &second, &caller));
    assert_true(pool_queue_is_ahead(&pool));
    assert_null(pool_caller_take(&caller)); /* no place is free */
    pool_leave(&pool, server);
    assert_int_equal(wakes, 1);
    assert_ptr_equal(pool_caller_take(&caller), &first);
    assert_null(pool_caller_take(&caller));
    assert_non_null(take(&pool));
    pool_queue_leave(&first);
    assert_null(pool_caller_take(&caller)); /* it took the only place */
    assert_int_equal(pool_queue_length(&pool), 1);
    pool_queue_leave(&second);
    pool_caller_release(&caller);
    pool_release(&pool);
}

static void test_a_place_that_was_free_before_joining_is_not_missed(void **state)
{
    struct pool pool;
    struct pool_caller caller;
    struct pool_waiter waiter = {0};

    (void)state;
    make_pool(&pool, 1);
    pool_caller_init(&caller, count_wake);
    assert_true(pool_queue_join(&pool, &waiter, &caller));
    assert_int_equal(wakes, 1);
    assert_ptr_equal(pool_caller_take(&caller), &waiter);
    pool_queue_leave(&waiter);
    pool_caller_release(&caller);
    pool_release(&pool);
}

static void test_one_that_leaves_gives_its_call_away(void **state)
{
    struct pool pool;
    struct pool_caller here, there;
    struct pool_waiter first = {0}, second = {0};
    struct server *server;

    (void)state;
    make_pool(&pool, 1);
    pool_caller_init(&here, count_wake);
    pool_caller_init(&there, count_wake);
    server = take(&pool);
    assert_true(pool_queue_join(&pool, &first, &here));
    assert_true(pool_queue_join(&pool, &second, &there));
    pool_leave(&pool, server);
    pool_queue_leave(&first); /* it was called, but its session is gone */
    assert_null(pool_caller_take(&here));
    assert_ptr_equal(pool_caller_take(&there), &second);
    pool_queue_leave(&second);
    pool_caller_release(&here);
    pool_caller_release(&there);
    pool_release(&pool);
}

static void test_a_place_freed_while_the_first_looks_is_its_or_the_next_ones(void **state)
{
    struct pool pool;
    struct pool_caller caller;
    struct pool_waiter first = {0}, second = {0};
    struct server *a, *b;

    (void)state;
    make_pool(&pool, 2);
    pool_caller_init(&caller, count_wake);
    a = take(&pool);
    b = take(&pool);
    assert_true(pool_queue_join(&pool, &first, &caller));
    pool_leave(&pool, a);
    pool_leave(&pool, b); /* nobody else waits */
    assert_ptr_equal(pool_caller_take(&caller), &first);
    assert_non_null(take(&pool));
    assert_true(pool_queue_join(&pool, &second, &caller)); /* behind the first */
    pool_queue_leave(&first);
    assert_ptr_equal(pool_caller_take(&caller), &second);
    pool_queue_leave(&second);
    pool_caller_release(&caller);
    pool_release(&pool);
}

static void test_who_cannot_use_the_place_lets_the_next_one_look(void **state)
{
    struct pool pool;
    struct pool_caller caller;
    struct pool_waiter first = {0}, second = {0};
    struct server *server;

    (void)state;
    make_pool(&pool, 1);
    pool_caller_init(&caller, count_wake);
    server = take(&pool);
    assert_true(pool_queue_join(&pool, &first, &caller));
    assert_true(pool_queue_join(&pool, &second, &caller));
    pool_leave(&pool, server);
    assert_ptr_equal(pool_caller_take(&caller), &first);
    pool_queue_pass(&first);
    assert_ptr_equal(pool_caller_take(&caller), &second);
    pool_queue_pass(&second);
    assert_null(pool_caller_take(&caller));
    pool_queue_leave(&second);
    /* The place is still there for the first one, should it have changed its mind. */
    assert_ptr_equal(pool_caller_take(&caller), &first);
    pool_queue_leave(&first);
    pool_caller_release(&caller);
    pool_release(&pool);
}

static void test_the_queue_has_an_end(void **state)
{
    struct pool pool;
    struct pool_caller caller;
    struct pool_waiter waiters[QUEUE_SIZE + 1];

    (void)state;
    memset(waiters, 0, sizeof(waiters));
    make_pool(&pool, 1);
    pool_caller_init(&caller, count_wake);
    assert_non_null(take(&pool));
    for (int i = 0; i < QUEUE_SIZE; i++)
        assert_true(pool_queue_join(&pool, &waiters[i], &caller));
    assert_false(pool_queue_join(&pool, &waiters[QUEUE_SIZE], &caller));
    assert_int_equal(pool_queue_length(&pool), QUEUE_SIZE);
    for (int i = 0; i < QUEUE_SIZE; i++)
        pool_queue_leave(&waiters[i]);
    pool.options.queue_size = 0;
    assert_false(pool_queue_join(&pool, &waiters[QUEUE_SIZE], &caller));
    pool_caller_release(&caller);
    pool_release(&pool);
}

static void test_a_paused_pool_calls_nobody_until_it_is_resumed(void **state)
{
    struct pool pool;
    struct pool_caller caller;
    struct pool_waiter waiters[3];

    (void)state;
    memset(waiters, 0, sizeof(waiters));
    make_pool(&pool, 2);
    pool_caller_init(&caller, count_wake);
    pool_pause(&pool);
    assert_true(pool_is_paused(&pool));
    assert_true(pool_queue_is_ahead(&pool));
    for (int i = 0; i < 3; i++)
        assert_true(pool_queue_join(&pool, &waiters[i], &caller));
    pool_queue_changed(&pool);
    assert_null(pool_caller_take(&caller));
    pool_resume(&pool);
    /* As many as there are places, in their order. */
    assert_ptr_equal(pool_caller_take(&caller), &waiters[0]);
    assert_ptr_equal(pool_caller_take(&caller), &waiters[1]);
    assert_null(pool_caller_take(&caller));
    for (int i = 0; i < 3; i++)
        pool_queue_leave(&waiters[i]);
    assert_false(pool_queue_is_ahead(&pool));
    pool_caller_release(&caller);
    pool_release(&pool);
}

/* The other server is full for long: who waits has the trial of the one that may be back. */
static void test_a_trial_that_is_due_calls(void **state)
{
    const int64_t now_ms = clock_now_ms();
    struct balance_request request = {.seed = &seed, .now_ms = now_ms};
    struct pool pool;
    struct pool_caller caller;
    struct pool_waiter first = {0}, second = {0};
    struct server *a, *b, *server;

    (void)state;
    make_pool(&pool, 2);
    pool_caller_init(&caller, count_wake);
    a = take(&pool);
    b = take(&pool);
    assert_true(pool_connect_failed(&pool, b, now_ms)); /* for ten seconds from now on */
    pool_leave(&pool, b);
    assert_true(pool_queue_join(&pool, &first, &caller));
    pool_queue_changed(&pool);
    assert_null(pool_caller_take(&caller));
    atomic_store(&b->ejected_until_ms, now_ms);
    assert_true(pool_queue_join(&pool, &second, &caller));
    assert_ptr_equal(pool_caller_take(&caller), &first);
    assert_null(pool_caller_take(&caller)); /* there is one trial */
    assert_int_equal(pool_pick(&pool, &request, &server), POOL_CHOSEN);
    assert_ptr_equal(server, b);
    pool_queue_leave(&first);
    assert_null(pool_caller_take(&caller)); /* and it is under way */
    pool_queue_leave(&second);
    pool_leave(&pool, a);
    pool_leave(&pool, b);
    pool_caller_release(&caller);
    pool_release(&pool);
}

/* A backup's trial is not had while the others are usable, if only full: nobody is woken for it. */
static void test_the_trial_of_a_backup_calls_nobody(void **state)
{
    struct pool pool;
    struct pool_caller caller;
    struct pool_waiter waiter = {0};
    struct server *a, *b;

    (void)state;
    make_pool(&pool, 2);
    pool.servers[1]->is_backup = true;
    pool_members_free(pool.members);
    pool.members = NULL;
    assert_true(pool_prepare(&pool));
    pool_caller_init(&caller, count_wake);
    a = take(&pool);
    b = pool.servers[1];
    assert_ptr_equal(a, pool.servers[0]);
    assert_true(pool_connect_failed(&pool, b, clock_now_ms()));
    atomic_store(&b->ejected_until_ms, 0);
    assert_true(pool_queue_join(&pool, &waiter, &caller));
    pool_queue_changed(&pool);
    assert_null(pool_caller_take(&caller));
    pool_leave(&pool, a);
    assert_ptr_equal(pool_caller_take(&caller), &waiter);
    pool_queue_leave(&waiter);
    pool_caller_release(&caller);
    pool_release(&pool);
}

static void test_a_server_that_comes_back_calls(void **state)
{
    const int64_t now_ms = clock_now_ms();
    struct pool pool;
    struct pool_caller caller;
    struct pool_waiter waiter = {0};
    struct server *a, *b;

    (void)state;
    make_pool(&pool, 2);
    pool_caller_init(&caller, count_wake);
    a = take(&pool);
    b = take(&pool);
    assert_true(pool_connect_failed(&pool, b, now_ms)); /* ejected */
    assert_true(pool_queue_join(&pool, &waiter, &caller));
    pool_leave(&pool, b);
    assert_null(pool_caller_take(&caller)); /* the other one is full, not down */
    assert_true(pool_connect_succeeded(&pool, b, now_ms));
    assert_ptr_equal(pool_caller_take(&caller), &waiter);
    pool_queue_leave(&waiter);
    pool_leave(&pool, a);
    pool_caller_release(&caller);
    pool_release(&pool);
}

/* ---- threads ----------------------------------------------------------------------------------
 */

#define THREADS 4
#define ROUNDS 3000

struct thread {
    struct pool_caller caller; /* first, so that its address is the thread's */
    struct pool *pool;
    sem_t woken;
    uint64_t seed;
    unsigned waited;
};

static void post(struct pool_caller *caller)
{
    sem_post(&((struct thread *)caller)->woken);
}

static enum pool_answer pick(struct thread *thread, struct server **server)
{
    struct balance_request request = {.seed = &thread->seed};

    return pool_pick(thread->pool, &request, server);
}

/* Waits until a call leads to a place. */
static struct server *wait_for_place(struct thread *thread)
{
    struct pool_waiter waiter = {0};
    struct server *server;

    if (!pool_queue_join(thread->pool, &waiter, &thread->caller))
        abort();
    thread->waited++;
    while (true) {
        struct timespec deadline;

        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += 60;
        if (sem_timedwait(&thread->woken, &deadline) == -1)
            abort(); /* a place was missed */
        while (pool_caller_take(&thread->caller) != NULL) {
            if (pick(thread, &server) == POOL_CHOSEN) {
                pool_queue_leave(&waiter);
                return server;
            }
        }
    }
}

static void *run_thread(void *argument)
{
    struct thread *thread = argument;

    for (int i = 0; i < ROUNDS; i++) {
        struct server *server = NULL;

        if (pool_queue_is_ahead(thread->pool) || pick(thread, &server) != POOL_CHOSEN)
            server = wait_for_place(thread);
        if (i % 16 == 0)
            sched_yield();
        pool_leave(thread->pool, server);
    }
    return NULL;
}

static void test_no_place_is_missed_between_threads(void **state)
{
    struct pool pool;
    struct thread threads[THREADS];
    pthread_t ids[THREADS];

    (void)state;
    make_pool(&pool, 2);
    memset(threads, 0, sizeof(threads));
    for (int i = 0; i < THREADS; i++) {
        threads[i].pool = &pool;
        threads[i].seed = (uint64_t)i + 1;
        sem_init(&threads[i].woken, 0, 0);
        pool_caller_init(&threads[i].caller, post);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, run_thread, &threads[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    assert_int_equal(pool_queue_length(&pool), 0);
    assert_int_equal(pool_sessions(&pool), 0);
    for (int i = 0; i < THREADS; i++) {
        sem_destroy(&threads[i].woken);
        pool_caller_release(&threads[i].caller);
    }
    pool_release(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_waits_in_an_open_pool),
        cmocka_unit_test(test_a_freed_place_calls_the_first_waiter),
        cmocka_unit_test(test_a_place_that_was_free_before_joining_is_not_missed),
        cmocka_unit_test(test_one_that_leaves_gives_its_call_away),
        cmocka_unit_test(test_a_place_freed_while_the_first_looks_is_its_or_the_next_ones),
        cmocka_unit_test(test_who_cannot_use_the_place_lets_the_next_one_look),
        cmocka_unit_test(test_the_queue_has_an_end),
        cmocka_unit_test(test_a_paused_pool_calls_nobody_until_it_is_resumed),
        cmocka_unit_test(test_a_trial_that_is_due_calls),
        cmocka_unit_test(test_the_trial_of_a_backup_calls_nobody),
        cmocka_unit_test(test_a_server_that_comes_back_calls),
        cmocka_unit_test(test_no_place_is_missed_between_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
