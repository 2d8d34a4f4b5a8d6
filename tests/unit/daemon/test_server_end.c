/* SPDX-License-Identifier: Apache-2.0 */
/* test_server_end.c - which sessions end when their server is gone, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/worker_world.h"
#include "daemon/server_end.h"

#define CLIENTS 6
#define DRAIN_MS 100

static struct worker_world world;
static struct event_base *base;
static struct server_ends *ends;
static int clients[CLIENTS];

static struct server *server(void)
{
    return &world.relay.servers[0];
}

/* A server whose sessions are to be ended is in use until they have, so that it stays. */
static int endings(void)
{
    return atomic_load(&server()->users);
}

/* Two workers with sessions that relay. */
static void open_world(int64_t drain_timeout_ms)
{
    worker_world_configure(&world, BUILTIN_ECHO);
    server()->serial = 7;
    worker_world_start(&world, 2);
    worker_world_run(&world);
    base = event_base_new();
    ends = server_ends_open(base, &world.shared, drain_timeout_ms);
    assert_non_null(ends);
    for (int i = 0; i < CLIENTS; i++) {
        char byte;

        clients[i] = tcp_connect(world.port);
        assert_int_equal(write(clients[i], "x", 1), 1);
        WAIT_UNTIL(recv(clients[i], &byte, 1, 0) == 1);
    }
}

static void close_world(void)
{
    for (int i = 0; i < CLIENTS; i++)
        peer_close(&clients[i]);
    server_ends_close(ends);
    event_base_free(base);
    worker_world_close(&world);
    assert_int_equal(server()->users, 0);
}

static void turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
    poll(NULL, 0, 1);
}

static void go_down(void)
{
    atomic_store(&server()->check, SERVER_CHECK_DOWN);
}

static void test_reset_ends_them_at_once(void **state)
{
    (void)state;
    open_world(DRAIN_MS);
    go_down();
    server_end_begin(ends, &world.relay.pool, server(), SERVER_GONE_RESET);
    WAIT_UNTIL((turn(), server()->active == 0));
    assert_int_equal(worker_world_closed(&world, CLOSE_SERVER_DOWN), CLIENTS);
    WAIT_UNTIL((turn(), endings() == 0));
    close_world();
}

/* Sessions may yet come to a server that was removed: workers may have its pool's members of
   before. */
static void test_who_comes_late_ends_too(void **state)
{
    char byte;

    (void)state;
    open_world(DRAIN_MS);
    for (int i = 0; i < CLIENTS; i++)
        peer_close(&clients[i]);
    WAIT_UNTIL(server()->active == 0);
    atomic_store(&server()->is_removed, true);
    server_end_begin(ends, &world.relay.pool, server(), SERVER_GONE_RESET);
    assert_true(endings() > 0);
    clients[0] = tcp_connect(world.port);
    assert_int_equal(write(clients[0], "x", 1), 1);
    WAIT_UNTIL(recv(clients[0], &byte, 1, 0) != 0);
    WAIT_UNTIL((turn(), worker_world_closed(&world, CLOSE_SERVER_DOWN) == 1));
    assert_int_equal(endings(), 1);
    atomic_store(&server()->is_removed, false);
    WAIT_UNTIL((turn(), endings() == 0));
    close_world();
}

static void test_keep_lets_them_go_on(void **state)
{
    (void)state;
    open_world(DRAIN_MS);
    go_down();
    server_end_begin(ends, &world.relay.pool, server(), SERVER_GONE_KEEP);
    assert_int_equal(endings(), 0);
    assert_int_equal(server()->active, CLIENTS);
    close_world();
}

static void test_drain_waits_for_its_timeout(void **state)
{
    int64_t began_us = clock_now_us();

    (void)state;
    open_world(DRAIN_MS);
    go_down();
    began_us = clock_now_us();
    server_end_begin(ends, &world.relay.pool, server(), SERVER_GONE_DRAIN);
    WAIT_UNTIL((turn(), server()->active == 0));
    assert_true(clock_now_us() - began_us >= (DRAIN_MS - 8) * 1000);
    assert_int_equal(worker_world_closed(&world, CLOSE_SERVER_DOWN), CLIENTS);
    close_world();
}

static void test_a_server_that_comes_back_keeps_them(void **state)
{
    (void)state;
    open_world(DRAIN_MS);
    go_down();
    server_end_begin(ends, &world.relay.pool, server(), SERVER_GONE_DRAIN);
    assert_int_equal(endings(), 1);
    atomic_store(&server()->check, SERVER_CHECK_UP);
    WAIT_UNTIL((turn(), endings() == 0));
    assert_int_equal(server()->active, CLIENTS);
    close_world();
}

static void test_a_drained_server_can_go_down_like_others(void **state)
{
    (void)state;
    open_world(DRAIN_MS);
    atomic_store(&server()->admin, SERVER_ADMIN_DRAIN);
    go_down();
    server_end_begin(ends, &world.relay.pool, server(), SERVER_GONE_RESET);
    WAIT_UNTIL((turn(), server()->active == 0));
    assert_int_equal(worker_world_closed(&world, CLOSE_SERVER_DOWN), CLIENTS);
    close_world();
}

static void test_drain_without_an_end_never_ends_them(void **state)
{
    (void)state;
    open_world(0);
    go_down();
    server_end_begin(ends, &world.relay.pool, server(), SERVER_GONE_DRAIN);
    assert_int_equal(endings(), 0);
    close_world();
}

static void test_a_reset_overtakes_a_drain(void **state)
{
    (void)state;
    open_world(60000);
    go_down();
    server_end_begin(ends, &world.relay.pool, server(), SERVER_GONE_DRAIN);
    server_end_begin(ends, &world.relay.pool, server(), SERVER_GONE_RESET);
    assert_int_equal(endings(), 1);
    WAIT_UNTIL((turn(), server()->active == 0));
    close_world();
}

static void test_sessions_of_other_servers_are_not_meant(void **state)
{
    char name[] = "other";
    struct server other = {.name = name, .serial = 8, .check = SERVER_CHECK_DOWN, .active = 1};

    (void)state;
    open_world(DRAIN_MS);
    server_end_begin(ends, &world.relay.pool, &other, SERVER_GONE_RESET);
    for (int i = 0; i < 100; i++)
        turn();
    assert_int_equal(server()->active, CLIENTS);
    assert_int_equal(other.users, 1);
    other.active = 0;
    WAIT_UNTIL((turn(), other.users == 0));
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset_ends_them_at_once),
        cmocka_unit_test(test_who_comes_late_ends_too),
        cmocka_unit_test(test_keep_lets_them_go_on),
        cmocka_unit_test(test_drain_waits_for_its_timeout),
        cmocka_unit_test(test_a_server_that_comes_back_keeps_them),
        cmocka_unit_test(test_a_drained_server_can_go_down_like_others),
        cmocka_unit_test(test_drain_without_an_end_never_ends_them),
        cmocka_unit_test(test_a_reset_overtakes_a_drain),
        cmocka_unit_test(test_sessions_of_other_servers_are_not_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
