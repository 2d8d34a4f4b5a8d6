/* SPDX-License-Identifier: Apache-2.0 */
/* test_server_change.c - what is kept of a change, and who looks after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pool/pool.h"
#include "pool/server_change.h"

static void do_nothing(struct pool_caller *caller)
{
    (void)caller;
}

static struct server *make_pool(struct pool *pool)
{
    const struct server_options options = {
        .name = "one", .builtin = BUILTIN_ECHO, .weight = 1, .admin = SERVER_ADMIN_DRAIN};
    struct server *server;

    memset(pool, 0, sizeof(*pool));
    assert_true(pool_init(pool, 1, 1));
    pool->name = strdup("pool");
    pool->options.queue_size = 1;
    server = pool_add_server(pool, &options);
    assert_non_null(server);
    assert_true(pool_prepare(pool));
    return server;
}

static void test_a_change_is_counted_with_its_cause(void **state)
{
    struct pool pool;
    struct server *server = make_pool(&pool);

    (void)state;
    atomic_store(&server->admin, SERVER_ADMIN_UP);
    server_change_note(&pool, server, SERVER_STATE_DRAIN, SERVER_CAUSE_ADMIN, "", 5000);
    assert_int_equal(server->changed_by, SERVER_CAUSE_ADMIN);
    assert_int_equal(server->changed_ms, 5000);
    atomic_store(&server->check, SERVER_CHECK_DOWN);
    server_change_note(&pool, server, SERVER_STATE_UP, SERVER_CAUSE_CHECK,
                       "connect timeout after 2 s", 6000);
    assert_int_equal(server->changed_by, SERVER_CAUSE_CHECK);
    assert_int_equal(server->changed_ms, 6000);
    assert_string_equal(server->changed_detail, "connect timeout after 2 s");
    assert_int_equal(server->changes[SERVER_CAUSE_ADMIN][SERVER_STATE_UP], 1);
    assert_int_equal(server->changes[SERVER_CAUSE_CHECK][SERVER_STATE_DOWN], 1);
    pool_release(&pool);
}

static void test_the_same_state_is_no_change(void **state)
{
    struct pool pool;
    struct server *server = make_pool(&pool);

    (void)state;
    atomic_store(&server->check, SERVER_CHECK_DOWN); /* but it is drained all the same */
    server_change_note(&pool, server, SERVER_STATE_DRAIN, SERVER_CAUSE_CHECK, "", 5000);
    assert_int_equal(server->changed_by, SERVER_CAUSE_NONE);
    assert_int_equal(server->changed_ms, 0);
    assert_int_equal(server->changes[SERVER_CAUSE_CHECK][SERVER_STATE_DRAIN], 0);
    pool_release(&pool);
}

static void test_a_long_detail_is_cut(void **state)
{
    struct pool pool;
    struct server *server = make_pool(&pool);
    char detail[300];

    (void)state;
    memset(detail, 'x', sizeof(detail) - 1);
    detail[sizeof(detail) - 1] = '\0';
    atomic_store(&server->admin, SERVER_ADMIN_UP);
    server_change_note(&pool, server, SERVER_STATE_DRAIN, SERVER_CAUSE_ADMIN, detail, 1);
    assert_int_equal(strlen(server->changed_detail), sizeof(server->changed_detail) - 1);
    pool_release(&pool);
}

static void test_waiters_look_at_a_server_that_comes_up(void **state)
{
    struct pool pool;
    struct server *server = make_pool(&pool);
    struct pool_caller caller;
    struct pool_waiter waiter = {0};

    (void)state;
    pool_caller_init(&caller, do_nothing);
    assert_true(pool_queue_join(&pool, &waiter, &caller));
    assert_null(pool_caller_take(&caller));
    atomic_store(&server->admin, SERVER_ADMIN_UP);
    server_change_note(&pool, server, SERVER_STATE_DRAIN, SERVER_CAUSE_ADMIN, "", 1);
    assert_ptr_equal(pool_caller_take(&caller), &waiter);
    pool_queue_leave(&waiter);
    pool_caller_release(&caller);
    pool_release(&pool);
}

static void test_each_cause_has_its_word(void **state)
{
    (void)state;
    assert_string_equal(server_cause_word(SERVER_CAUSE_NONE), "");
    assert_string_equal(server_cause_word(SERVER_CAUSE_PASSIVE), "passive");
    assert_string_equal(server_cause_word(SERVER_CAUSE_CHECK), "check");
    assert_string_equal(server_cause_word(SERVER_CAUSE_ADMIN), "admin");
    assert_string_equal(server_cause_word(SERVER_CAUSE_DNS), "dns");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_change_is_counted_with_its_cause),
        cmocka_unit_test(test_the_same_state_is_no_change),
        cmocka_unit_test(test_a_long_detail_is_cut),
        cmocka_unit_test(test_waiters_look_at_a_server_that_comes_up),
        cmocka_unit_test(test_each_cause_has_its_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
