/* SPDX-License-Identifier: Apache-2.0 */
/* test_source_table.c - limits per source, what is forgotten when, and threads that share it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "relay/source_table.h"

#define SECOND INT64_C(1000000000)
#define START (INT64_C(3600) * SECOND)

struct world {
    struct snapshot snapshot;
    struct listener_config listeners[2];
    struct source_table *table;
};

static void open_world(struct world *world, size_t capacity)
{
    memset(world, 0, sizeof(*world));
    world->snapshot.listeners = world->listeners;
    world->snapshot.listener_count = 2;
    for (unsigned i = 0; i < 2; i++) {
        world->listeners[i].snapshot = &world->snapshot;
        world->listeners[i].index = i;
    }
    world->table = source_table_create(capacity, 64);
    assert_non_null(world->table);
}

static struct addr ip(const char *string)
{
    struct addr addr = {.family = AF_UNSPEC};

    assert_true(addr_parse_ip(string, strlen(string), &addr));
    return addr;
}

static enum source_answer enter(struct world *world, unsigned listener, const char *client,
                                int64_t now_ns)
{
    struct addr addr = ip(client);

    return source_table_enter(world->table, &world->listeners[listener], &addr, now_ns);
}

static void leave(struct world *world, unsigned listener, const char *client)
{
    struct addr addr = ip(client);

    source_table_leave(world->table, &world->listeners[listener], &addr);
}

static void test_each_source_has_its_own_places(void **state)
{
    struct world world;

    (void)state;
    open_world(&world, 64);
    world.listeners[0].per_source.max_connections = 2;
    assert_int_equal(enter(&world, 0, "10.0.0.1", START), SOURCE_ADMITTED);
    assert_int_equal(enter(&world, 0, "::ffff:10.0.0.1", START), SOURCE_ADMITTED);
    assert_int_equal(enter(&world, 0, "10.0.0.1", START), SOURCE_AT_LIMIT);
    assert_int_equal(enter(&world, 0, "10.0.0.2", START), SOURCE_ADMITTED);
    assert_int_equal(enter(&world, 1, "10.0.0.1", START), SOURCE_ADMITTED); /* without a limit */
    assert_int_equal(source_table_count(world.table), 2);
    leave(&world, 0, "10.0.0.1");
    assert_int_equal(enter(&world, 0, "10.0.0.1", START), SOURCE_ADMITTED);
    leave(&world, 0, "10.0.0.1");
    leave(&world, 0, "10.0.0.1");
    leave(&world, 0, "10.0.0.2");
    leave(&world, 0, "10.0.0.2"); /* one too many is harmless */
    assert_int_equal(source_table_count(world.table), 0);
    source_table_destroy(world.table);
}

static void test_an_ipv6_prefix_is_one_source(void **state)
{
    struct world world;

    (void)state;
    open_world(&world, 64);
    world.listeners[0].per_source.max_connections = 1;
    assert_int_equal(enter(&world, 0, "2001:db8:0:1::1", START), SOURCE_ADMITTED);
    assert_int_equal(enter(&world, 0, "2001:db8:0:1:ffff::2", START), SOURCE_AT_LIMIT);
    assert_int_equal(enter(&world, 0, "2001:db8:0:2::1", START), SOURCE_ADMITTED);
    leave(&world, 0, "2001:db8:0:1:5::5");
    assert_int_equal(enter(&world, 0, "2001:db8:0:1::7", START), SOURCE_ADMITTED);
    source_table_destroy(world.table);
}

static void test_limits_of_the_process_count_all_listeners(void **state)
{
    struct world world;

    (void)state;
    open_world(&world, 64);
    world.snapshot.process.per_source.max_connections = 2;
    world.listeners[0].per_source.max_connections = 5;
    assert_true(source_table_is_wanted(&world.snapshot));
    assert_int_equal(enter(&world, 0, "10.0.0.1", START), SOURCE_ADMITTED);
    assert_int_equal(enter(&world, 1, "10.0.0.1", START), SOURCE_ADMITTED);
    assert_int_equal(enter(&world, 0, "10.0.0.1", START), SOURCE_AT_LIMIT);
    leave(&world, 1, "10.0.0.1");
    /* The refused one has left its place at the listener again: four more fit. */
    world.snapshot.process.per_source.max_connections = 100;
    for (int i = 0; i < 4; i++)
        assert_int_equal(enter(&world, 0, "10.0.0.1", START), SOURCE_ADMITTED);
    assert_int_equal(enter(&world, 0, "10.0.0.1", START), SOURCE_AT_LIMIT);
    source_table_destroy(world.table);
}

static void test_a_rate_per_source(void **state)
{
    struct world world;
    int admitted = 0;

    (void)state;
    open_world(&world, 64);
    world.listeners[0].per_source.connection_rate = (struct rate){.per_s = 10, .burst = 10};
    for (int i = 0; i < 5000; i++) { /* in five seconds */
        if (enter(&world, 0, "10.0.0.1", START + i * SECOND / 1000) == SOURCE_ADMITTED) {
            admitted++;
            leave(&world, 0, "10.0.0.1");
        } else {
            assert_int_equal(enter(&world, 0, "10.0.0.1", START + i * SECOND / 1000),
                             SOURCE_TOO_FAST);
        }
        if (i == 0)
            assert_int_equal(enter(&world, 0, "10.0.0.2", START), SOURCE_ADMITTED);
    }
    assert_in_range(admitted, 58, 60);
    /* It is remembered although it has no session. */
    assert_int_equal(source_table_count(world.table), 2);
    source_table_destroy(world.table);
}

static void test_who_has_sessions_is_forgotten_last(void **state)
{
    struct world world;
    char client[32];

    (void)state;
    open_world(&world, 16);
    world.listeners[0].per_source.max_connections = 1;
    world.listeners[0].per_source.connection_rate = (struct rate){.per_s = 1, .burst = 1};
    assert_int_equal(enter(&world, 0, "10.0.0.1", START), SOURCE_ADMITTED);
    for (int i = 0; i < 1000; i++) {
        snprintf(client, sizeof(client), "10.1.%d.%d", i / 256, i % 256);
        assert_int_equal(enter(&world, 0, client, START), SOURCE_ADMITTED);
        leave(&world, 0, client);
    }
    assert_int_equal(source_table_count(world.table), 16);
    assert_int_equal(source_table_forgotten(world.table), 0);
    assert_int_equal(enter(&world, 0, "10.0.0.1", START + 9 * SECOND), SOURCE_AT_LIMIT);
    /* The one seen last is among those that are remembered, the first is not. */
    assert_int_equal(enter(&world, 0, client, START), SOURCE_TOO_FAST);
    assert_int_equal(enter(&world, 0, "10.1.0.0", START), SOURCE_ADMITTED);
    /* More sources with sessions than there is room for. */
    for (int i = 0; i < 20; i++) {
        snprintf(client, sizeof(client), "10.2.0.%d", i);
        assert_int_equal(enter(&world, 0, client, START), SOURCE_ADMITTED);
    }
    assert_int_equal(source_table_count(world.table), 16);
    assert_true(source_table_forgotten(world.table) > 0);
    leave(&world, 0, "10.0.0.1"); /* forgotten: nothing happens */
    source_table_destroy(world.table);
}

static void test_unix_clients_are_no_sources(void **state)
{
    struct world world;
    struct addr addr = {.family = AF_UNIX};

    (void)state;
    open_world(&world, 16);
    world.listeners[0].per_source.max_connections = 1;
    for (int i = 0; i < 3; i++)
        assert_int_equal(source_table_enter(world.table, &world.listeners[0], &addr, START),
                         SOURCE_ADMITTED);
    source_table_leave(world.table, &world.listeners[0], &addr);
    assert_int_equal(source_table_count(world.table), 0);
    source_table_destroy(world.table);
    assert_int_equal(source_table_enter(NULL, &world.listeners[0], &addr, START), SOURCE_ADMITTED);
    source_table_leave(NULL, &world.listeners[0], &addr);
}

/* Many clients of few sources come and go. */
static void *come_and_go(void *argument)
{
    struct world *world = argument;

    for (unsigned i = 0; i < 20000; i++) {
        struct addr addr = {.family = AF_INET};

        addr.v4.s_addr = htonl(0x0a000000 + i % 37);
        if (source_table_enter(world->table, &world->listeners[i % 2], &addr, START) ==
            SOURCE_ADMITTED)
            source_table_leave(world->table, &world->listeners[i % 2], &addr);
    }
    return NULL;
}

static void test_nothing_is_left_when_threads_have_come_and_gone(void **state)
{
    struct world world;
    pthread_t threads[3];

    (void)state;
    open_world(&world, 4096);
    world.listeners[0].per_source.max_connections = 2;
    world.snapshot.process.per_source.max_connections = 2;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &world), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(source_table_count(world.table), 0);
    source_table_destroy(world.table);
}

/* Who is refused for another reason has used nothing up: neither at a limit elsewhere nor at the
   process's limit of the same source. */
static void test_a_withdrawn_connection_has_cost_nothing(void **state)
{
    struct world world;
    struct addr addr = ip("192.0.2.1");

    (void)state;
    open_world(&world, 100);
    world.listeners[0].per_source.connection_rate = (struct rate){.per_s = 1, .burst = 1};
    for (int i = 0; i < 10; i++) {
        assert_int_equal(enter(&world, 0, "192.0.2.1", START), SOURCE_ADMITTED);
        source_table_withdraw(world.table, &world.listeners[0], &addr);
    }
    world.snapshot.process.per_source.max_connections = 1;
    assert_int_equal(enter(&world, 1, "192.0.2.1", START), SOURCE_ADMITTED);
    assert_int_equal(enter(&world, 0, "192.0.2.1", START), SOURCE_AT_LIMIT);
    leave(&world, 1, "192.0.2.1");
    assert_int_equal(enter(&world, 0, "192.0.2.1", START), SOURCE_ADMITTED);
    leave(&world, 0, "192.0.2.1");
    assert_int_equal(enter(&world, 0, "192.0.2.1", START), SOURCE_TOO_FAST);
    source_table_destroy(world.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_source_has_its_own_places),
        cmocka_unit_test(test_an_ipv6_prefix_is_one_source),
        cmocka_unit_test(test_limits_of_the_process_count_all_listeners),
        cmocka_unit_test(test_a_rate_per_source),
        cmocka_unit_test(test_who_has_sessions_is_forgotten_last),
        cmocka_unit_test(test_a_withdrawn_connection_has_cost_nothing),
        cmocka_unit_test(test_unix_clients_are_no_sources),
        cmocka_unit_test(test_nothing_is_left_when_threads_have_come_and_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
