/* SPDX-License-Identifier: Apache-2.0 */
/* test_members.c - servers that come and go, tiers, and when what is freed. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "pool/pool.h"

#define CAPACITY 4

static struct pool pool;
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

static int open_pool(void **state)
{
    (void)state;
    memset(&pool, 0, sizeof(pool));
    return pool_init(&pool, CAPACITY, 2) ? 0 : -1;
}

static int close_pool(void **state)
{
    (void)state;
    pool_release(&pool);
    return 0;
}

static struct server *add(const char *name, uint16_t port, int priority, bool is_backup)
{
    struct server_options options = {.name = name,
                                     .addr = {.family = AF_INET, .port = port},
                                     .weight = 1,
                                     .priority = priority,
                                     .is_backup = is_backup,
                                     .is_discovered = true};

    options.addr.v4.s_addr = htonl(INADDR_LOOPBACK);
    return pool_add_server(&pool, &options);
}

/* As the control thread does it with `workers` workers. */
static struct pool_members *publish(int workers)
{
    struct pool_members *fresh = pool_members_build(&pool);

    assert_non_null(fresh);
    return pool_publish(&pool, fresh, workers);
}

static struct server *pick(void)
{
    struct server *server;

    return pick_untried(&pool, NULL, 0, 0, &seed, &server) == POOL_CHOSEN ? server : NULL;
}

static void end_session(struct server *server)
{
    pool_leave(&pool, server);
    pool_forget(server);
}

static void test_tiers_are_sorted_by_backup_then_priority(void **state)
{
    struct server *second = add("b", 2, 20, false);
    struct server *backup = add("c", 3, 0, true);
    struct server *first[2] = {add("a", 1, 10, false), add("d", 4, 10, false)};
    struct server *server;

    (void)state;
    assert_null(publish(1));
    assert_int_equal(pool.members->tier_count, 3);
    assert_int_equal(pool.members->tiers[0].count, 2);
    assert_ptr_equal(pool.members->tiers[0].servers[0], first[0]);
    assert_ptr_equal(pool.members->tiers[1].servers[0], second);
    assert_ptr_equal(pool.members->tiers[2].servers[0], backup);
    first[0]->check = SERVER_CHECK_DOWN;
    server = pick();
    assert_ptr_equal(server, first[1]);
    end_session(server);
    first[1]->admin = SERVER_ADMIN_MAINT;
    server = pick();
    assert_ptr_equal(server, second);
    end_session(server);
    second->check = SERVER_CHECK_DOWN;
    server = pick();
    assert_ptr_equal(server, backup);
    end_session(server);
}

static void test_an_empty_pool_has_no_address(void **state)
{
    struct server *server;

    (void)state;
    assert_null(publish(1));
    assert_int_equal(pick_untried(&pool, NULL, 0, 0, &seed, &server), POOL_UNRESOLVED);
    assert_null(server);
}

static void test_a_removed_server_is_chosen_no_more_and_freed_when_unused(void **state)
{
    struct server *kept = add("a", 1, 0, false);
    struct server *gone = add("b", 2, 10, false);
    struct pool_members *old;
    struct server *server;

    (void)state;
    kept->check = SERVER_CHECK_DOWN;
    assert_null(publish(2));
    server = pick();
    assert_ptr_equal(server, gone);
    pool_remove_server(&pool, gone, 100);
    old = publish(2);
    assert_non_null(old);
    assert_null(pick());

    /* Workers may still look at the old members, the session at its server. */
    pool_reclaim(&pool, 100);
    assert_ptr_equal(pool.retired, old);
    assert_ptr_equal(pool.servers[1], gone);
    pool_members_leave(old);
    pool_reclaim(&pool, 100);
    assert_ptr_equal(pool.retired, old);
    pool_members_leave(old);
    pool_reclaim(&pool, 100);
    assert_null(pool.retired);
    assert_ptr_equal(pool.servers[1], gone);
    pool_leave(&pool, server);
    pool_reclaim(&pool, 100);
    assert_ptr_equal(pool.servers[1], gone);
    pool_forget(server);
    pool_reclaim(&pool, 99);
    assert_ptr_equal(pool.servers[1], gone);
    pool_reclaim(&pool, 100);
    assert_null(pool.servers[1]);
    assert_ptr_equal(pool.servers[0], kept);
}

static void test_a_server_that_returns_keeps_its_counters_and_its_slot(void **state)
{
    struct server *server = add("a", 1, 0, false);

    (void)state;
    assert_null(publish(1));
    counter_add(&server->counters[1].connects[CONNECT_REFUSED], 7);
    pool_remove_server(&pool, server, 0);
    assert_ptr_not_equal(add("a", 2, 0, false), server);
    assert_ptr_not_equal(add("b", 1, 0, false), server);
    assert_ptr_equal(add("a", 1, 5, false), server);
    assert_false(server->is_removed);
    assert_int_equal(server->priority, 5);
    assert_int_equal(counter_get(&server->counters[1].connects[CONNECT_REFUSED]), 7);
    pool_members_leave(publish(1));
    assert_int_equal(pool.members->server_count, 3);
}

static void test_slots_are_used_again(void **state)
{
    struct server *second;

    (void)state;
    add("a", 1, 0, false);
    second = add("b", 2, 0, false);
    add("c", 3, 0, false);
    add("d", 4, 0, false);
    assert_null(add("e", 5, 0, false));
    pool_remove_server(&pool, second, 0);
    assert_null(add("e", 5, 0, false));
    pool_reclaim(&pool, 0);
    second = add("e", 5, 0, false);
    assert_non_null(second);
    assert_int_equal(second->position, 1);
    assert_int_equal(pool.server_count, CAPACITY);
}

static void test_a_published_server_is_not_freed_before_it_is_published_as_gone(void **state)
{
    struct server *gone = add("a", 1, 0, false);

    (void)state;
    assert_null(publish(1));
    pool_remove_server(&pool, gone, 0);
    pool_reclaim(&pool, 100);
    assert_ptr_equal(pool.servers[0], gone);
    assert_ptr_equal(pool.members->servers[0], gone); /* a worker may choose it */
    pool_members_leave(publish(1));
    pool_reclaim(&pool, 100);
    assert_null(pool.servers[0]);
}

static void test_removing_an_ejected_server_ends_the_search_for_trials(void **state)
{
    struct server *server = add("a", 1, 0, false);

    (void)state;
    add("b", 2, 0, false);
    pool.options.max_fails = 1;
    assert_null(publish(1));
    assert_true(pool_connect_failed(&pool, server, 0));
    assert_int_equal(pool.out_count, 1);
    pool_remove_server(&pool, server, 0);
    assert_int_equal(pool.out_count, 0);
    assert_false(pool_connect_failed(&pool, server, 0));
    assert_int_equal(pool.out_count, 0);
}

static void test_turns_go_on_over_a_publishing(void **state)
{
    struct server *server;

    (void)state;
    pool.options.balance = BALANCE_ROUNDROBIN;
    add("a", 1, 0, false);
    add("b", 2, 0, false);
    assert_null(publish(1));
    server = pick();
    assert_int_equal(server->position, 0);
    end_session(server);
    pool_members_leave(publish(1));
    server = pick();
    assert_int_equal(server->position, 1);
    end_session(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tiers_are_sorted_by_backup_then_priority, open_pool,
                                        close_pool),
        cmocka_unit_test_setup_teardown(test_an_empty_pool_has_no_address, open_pool, close_pool),
        cmocka_unit_test_setup_teardown(
            test_a_removed_server_is_chosen_no_more_and_freed_when_unused, open_pool, close_pool),
        cmocka_unit_test_setup_teardown(test_a_server_that_returns_keeps_its_counters_and_its_slot,
                                        open_pool, close_pool),
        cmocka_unit_test_setup_teardown(test_slots_are_used_again, open_pool, close_pool),
        cmocka_unit_test_setup_teardown(
            test_a_published_server_is_not_freed_before_it_is_published_as_gone, open_pool,
            close_pool),
        cmocka_unit_test_setup_teardown(test_removing_an_ejected_server_ends_the_search_for_trials,
                                        open_pool, close_pool),
        cmocka_unit_test_setup_teardown(test_turns_go_on_over_a_publishing, open_pool, close_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
