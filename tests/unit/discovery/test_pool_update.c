/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool_update.c - servers come and go with answers; what comes back is the same server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/pool_update.h"

struct fixture {
    struct pool pool;
    struct server_group group;
    struct pool_changes changes;
    unsigned gone;
    unsigned first;         /* servers that were added to none */
    unsigned joined;        /* to others */
    enum server_state from; /* of the last one that went */
};

static const struct server_options model = {.name = "db", .weight = 1};
static struct fixture fixture;

static int setup(void **state)
{
    (void)state;
    memset(&fixture, 0, sizeof(fixture));
    assert_true(pool_init(&fixture.pool, 4, 1));
    fixture.pool.name = strdup("p");
    assert_non_null(fixture.pool.name);
    assert_true(pool_prepare(&fixture.pool));
    fixture.group = (struct server_group){.pool = &fixture.pool, .model = &model};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_group_release(&fixture.group);
    pool_release(&fixture.pool);
    return 0;
}

static void on_removed(void *argument, struct pool *pool, struct server *server,
                       enum server_state from)
{
    fixture.from = from;
    (void)argument;
    (void)pool;
    assert_true(server->is_removed);
    fixture.gone++;
}

static struct wanted_server want(const char *ip, int weight)
{
    struct wanted_server wanted = {.weight = weight};

    assert_true(addr_parse_ip(ip, strlen(ip), &wanted.addr));
    wanted.addr.port = 5432;
    return wanted;
}

static void on_added(void *argument, struct pool *pool, struct server *server, bool joins)
{
    (void)argument;
    assert_ptr_equal(pool, fixture.group.pool);
    assert_false(server->is_removed);
    fixture.first += !joins;
    fixture.joined += joins;
}

static const struct update_hooks hooks = {.added = on_added, .removed = on_removed};

static bool apply(const struct wanted_server *wanted, unsigned count, int64_t now_ms)
{
    return pool_update_apply(&fixture.group, wanted, count, now_ms, &hooks, &fixture.changes);
}

static void test_answer_becomes_servers_and_once_only(void **state)
{
    const struct wanted_server wanted[] = {want("10.0.0.1", 1), want("fd00::1", 2),
                                           want("10.0.0.1", 9)};

    (void)state;
    assert_true(apply(wanted, 3, 1));
    assert_int_equal(fixture.changes.added, 2);
    assert_int_equal(fixture.group.count, 2);
    assert_string_equal(fixture.group.servers[0]->name, "db@10.0.0.1:5432");
    assert_string_equal(fixture.group.servers[1]->name, "db@[fd00::1]:5432");
    assert_int_equal(fixture.group.servers[0]->weight, 1);
    assert_true(fixture.group.servers[0]->is_discovered);
    assert_false(apply(wanted, 3, 2));
}

static void test_what_is_not_wanted_any_more_goes(void **state)
{
    const struct wanted_server wanted[] = {want("10.0.0.1", 1), want("10.0.0.2", 1)};

    (void)state;
    assert_true(apply(wanted, 2, 1));
    assert_true(apply(wanted, 1, 2));
    assert_int_equal(fixture.changes.removed, 1);
    assert_int_equal(fixture.gone, 1);
    assert_int_equal(fixture.first, 2);
    assert_int_equal(fixture.joined, 0);
    assert_true(apply(wanted, 2, 2));
    assert_int_equal(fixture.joined, 1);
    assert_true(apply(wanted, 1, 2));
    assert_int_equal(fixture.from, SERVER_STATE_UP);
    fixture.group.servers[0]->health = SERVER_EJECTED;
    atomic_store(&fixture.pool.out_count, 1);
    assert_int_equal(fixture.group.count, 1);
    assert_true(apply(NULL, 0, 3));
    assert_int_equal(fixture.from, SERVER_STATE_EJECTED);
    assert_int_equal(fixture.group.count, 0);
}

static void test_server_that_comes_back_is_the_same(void **state)
{
    const struct wanted_server wanted[] = {want("10.0.0.1", 1), want("10.0.0.2", 1)};
    struct server *server;

    (void)state;
    assert_true(apply(wanted, 2, 1));
    server = fixture.group.servers[1];
    counter_add(&server->counters[0].connects[CONNECT_OK], 7);
    assert_true(apply(wanted, 1, 2));
    assert_true(apply(wanted, 2, 3));
    assert_ptr_equal(fixture.group.servers[1], server);
    assert_false(server->is_removed);
    assert_int_equal(fixture.group.servers[0]->up_since_ms, 0); /* from the start */
    assert_int_equal(server->up_since_ms, 3);
    assert_int_equal(counter_get(&server->counters[0].connects[CONNECT_OK]), 7);
}

static void test_weight_and_priority_are_taken_over(void **state)
{
    struct wanted_server wanted = want("10.0.0.1", 1);

    (void)state;
    assert_true(apply(&wanted, 1, 1));
    wanted.weight = 7;
    wanted.priority = 20;
    assert_true(apply(&wanted, 1, 2));
    assert_int_equal(fixture.changes.changed, 1);
    assert_int_equal(fixture.group.servers[0]->weight, 7);
    assert_int_equal(fixture.group.servers[0]->priority, 20);
}

static void test_a_weight_set_by_hand_stays_until_the_answer_gives_another(void **state)
{
    struct wanted_server wanted = want("10.0.0.1", 1);

    (void)state;
    assert_true(apply(&wanted, 1, 1));
    fixture.group.servers[0]->weight = 50;
    assert_false(apply(&wanted, 1, 2));
    assert_int_equal(fixture.group.servers[0]->weight, 50);
    wanted.priority = 20;
    assert_true(apply(&wanted, 1, 3));
    assert_int_equal(fixture.group.servers[0]->weight, 50);
    wanted.weight = 2;
    assert_true(apply(&wanted, 1, 4));
    assert_int_equal(fixture.group.servers[0]->weight, 2);
}

static void test_slots_that_only_remember_make_room(void **state)
{
    struct wanted_server wanted[8];

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        char ip[16] = "10.0.0.1";

        ip[7] = (char)('1' + i);
        wanted[i] = want(ip, 1);
    }
    assert_true(apply(wanted, 4, 1));
    assert_true(apply(wanted + 4, 4, 5)); /* these four went just now: no room yet */
    assert_int_equal(fixture.changes.refused, 4);
    assert_true(apply(wanted + 4, 4, 6));
    assert_int_equal(fixture.changes.added, 4);
    assert_int_equal(fixture.changes.refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answer_becomes_servers_and_once_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_wanted_any_more_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_that_comes_back_is_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_weight_and_priority_are_taken_over, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_weight_set_by_hand_stays_until_the_answer_gives_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slots_that_only_remember_make_room, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
