/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_checker.c - checks of servers that come, fail, return and go, over loopback sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "net/tcp_pair.h"
#include "health/checker.h"

#define DEADLINE_MS 10000

struct change {
    struct server *server;
    enum server_state from;
    enum server_state to;
    char detail[PROBE_CAUSE_BYTES];
    bool is_down;
};

struct bench {
    struct event_base *base;
    struct pool pools[2];
    struct health_options options;
    struct health_options *health[2];
    struct checker *checker;
    int listening[2];
    in_addr_t source; /* of the last check that was accepted */
    struct change last;
    unsigned changes;
};

static void on_changed(void *argument, struct pool *pool, struct server *server,
                       enum server_state from, const char *detail, bool is_down)
{
    struct bench *bench = argument;

    assert_ptr_equal(pool, &bench->pools[0]);
    bench->last = (struct change){
        .server = server, .from = from, .to = server_state_of(server), .is_down = is_down};
    strncpy(bench->last.detail, detail, sizeof(bench->last.detail) - 1);
    bench->changes++;
}

static struct addr loopback(uint16_t port)
{
    return (struct addr){.family = AF_INET, .port = port, .v4.s_addr = htonl(INADDR_LOOPBACK)};
}

static void add_server(struct pool *pool, const char *name, uint16_t port)
{
    const struct server_options options = {.name = name, .addr = loopback(port), .weight = 1};

    assert_non_null(pool_add_server(pool, &options));
}

/* Two pools; the first has servers a and b, which are checked when `is_open` says. */
static void bench_open(struct bench *bench)
{
    memset(bench, 0, sizeof(*bench));
    bench->base = event_base_new();
    bench->options = (struct health_options){
        .timing = {.interval_ms = 20,
                   .fast_interval_ms = 10,
                   .down_interval_ms = 20,
                   .timeout_ms = 1000,
                   .rise = 2,
                   .fall = 3},
        .exchange.type = EXCHANGE_TCP,
    };
    bench->health[0] = &bench->options;
    for (unsigned i = 0; i < 2; i++) {
        uint16_t port;

        assert_true(pool_init(&bench->pools[i], 4, 1));
        bench->pools[i].index = i;
        bench->pools[i].name = strdup(i == 0 ? "app" : "other");
        bench->pools[i].options.max_fails = 1;
        bench->pools[i].options.fail_timeout_ms = 60000;
        bench->listening[i] = tcp_listen(&port, 0);
        add_server(&bench->pools[0], i == 0 ? "a" : "b", port);
    }
    add_server(&bench->pools[1], "unchecked", 9);
    assert_true(pool_prepare(&bench->pools[0]));
    assert_true(pool_prepare(&bench->pools[1]));
}

static void bench_start(struct bench *bench)
{
    const struct checker_options options = {
        .base = bench->base,
        .pools = bench->pools,
        .pool_count = 2,
        .health = bench->health,
        .changed = on_changed,
        .argument = bench,
    };
    struct error error;

    bench->checker = checker_open(&options, &error);
    assert_non_null(bench->checker);
}

static void bench_close(struct bench *bench)
{
    checker_close(bench->checker);
    for (unsigned i = 0; i < 2; i++) {
        peer_close(&bench->listening[i]);
        pool_release(&bench->pools[i]);
    }
    event_base_free(bench->base);
}

static void turn(struct bench *bench)
{
    struct timeval pause = {.tv_usec = 2000};
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    int fd;

    event_base_loopexit(bench->base, &pause);
    event_base_dispatch(bench->base);
    for (unsigned i = 0; i < 2; i++) {
        while (bench->listening[i] != -1 &&
               (fd = accept4(bench->listening[i], (struct sockaddr *)&peer, &length,
                             SOCK_CLOEXEC)) != -1) {
            bench->source = ntohl(peer.sin_addr.s_addr);
            close(fd);
        }
    }
}

static uint64_t count_of(const struct bench *bench, unsigned server, enum probe_outcome outcome)
{
    struct check_report report;
    const struct pool *pool = &bench->pools[0];

    assert_true(checker_report(bench->checker, pool, pool->servers[server], &report));
    return report.outcomes[outcome];
}

static void wait_for_count(struct bench *bench, unsigned server, enum probe_outcome outcome,
                           uint64_t count)
{
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;

    while (count_of(bench, server, outcome) < count) {
        assert_true(clock_now_ms() < deadline_ms);
        turn(bench);
    }
}

static void wait_for_changes(struct bench *bench, unsigned count)
{
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;

    while (bench->changes < count) {
        assert_true(clock_now_ms() < deadline_ms);
        turn(bench);
    }
    assert_int_equal(bench->changes, count);
}

static void test_a_server_that_stops_is_down_after_fall_checks(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench);
    bench_start(&bench);
    wait_for_count(&bench, 0, PROBE_OK, 3);
    wait_for_count(&bench, 1, PROBE_OK, 3);
    assert_int_equal(bench.changes, 0);
    peer_close(&bench.listening[0]);
    wait_for_changes(&bench, 1);
    assert_ptr_equal(bench.last.server, bench.pools[0].servers[0]);
    assert_int_equal(bench.last.from, SERVER_STATE_UP);
    assert_int_equal(bench.last.to, SERVER_STATE_DOWN);
    assert_true(bench.last.is_down);
    assert_string_equal(bench.last.detail, "connect: Connection refused");
    assert_int_equal(count_of(&bench, 0, PROBE_REFUSED), 3);
    assert_false(server_is_usable(bench.pools[0].servers[0]));
    assert_true(server_is_usable(bench.pools[0].servers[1]));
    bench_close(&bench);
}

static void test_it_is_up_again_after_rise_checks_and_says_since_when(void **state)
{
    struct bench bench;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct server *server;
    int on = 1;

    (void)state;
    bench_open(&bench);
    bench_start(&bench);
    server = bench.pools[0].servers[0];
    peer_close(&bench.listening[0]);
    wait_for_changes(&bench, 1);
    assert_int_equal(atomic_load(&server->up_since_ms), 0);

    bench.listening[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(bench.listening[0], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    addr.sin_port = htons(server->addr.port);
    assert_int_equal(bind(bench.listening[0], (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(bench.listening[0], 16), 0);
    wait_for_changes(&bench, 2);
    assert_int_equal(bench.last.from, SERVER_STATE_DOWN);
    assert_int_equal(bench.last.to, SERVER_STATE_UP);
    assert_false(bench.last.is_down);
    assert_true(atomic_load(&server->up_since_ms) > 0);
    assert_true(count_of(&bench, 0, PROBE_OK) >= 2);
    bench_close(&bench);
}

static void test_good_checks_end_an_ejection(void **state)
{
    struct bench bench;
    struct server *server;

    (void)state;
    bench_open(&bench);
    bench_start(&bench);
    server = bench.pools[0].servers[0];
    assert_true(pool_connect_failed(&bench.pools[0], server, clock_now_ms()));
    assert_int_equal(server_state_of(server), SERVER_STATE_EJECTED);
    wait_for_changes(&bench, 1);
    assert_ptr_equal(bench.last.server, server);
    assert_int_equal(bench.last.from, SERVER_STATE_EJECTED);
    assert_int_equal(bench.last.to, SERVER_STATE_UP);
    assert_true(count_of(&bench, 0, PROBE_OK) >= 2);
    bench_close(&bench);
}

static void test_checks_come_from_the_sources_of_the_pool(void **state)
{
    struct addr sources[] = {{.family = AF_INET, .v4.s_addr = htonl(INADDR_LOOPBACK + 4)},
                             {.family = AF_INET6, .v6 = IN6ADDR_LOOPBACK_INIT}};
    struct bench bench;

    (void)state;
    bench_open(&bench);
    bench.pools[0].options.sources = sources;
    bench.pools[0].options.source_count = 2;
    bench.pools[0].options.source_v4_count = 1;
    bench_start(&bench);
    wait_for_count(&bench, 0, PROBE_OK, 2);
    assert_int_equal(bench.source, INADDR_LOOPBACK + 4);
    bench.pools[0].options.sources = NULL; /* not on the heap */
    bench_close(&bench);
}

static void test_a_server_in_maintenance_is_left_alone(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench);
    atomic_store(&bench.pools[0].servers[0]->admin, SERVER_ADMIN_MAINT);
    bench_start(&bench);
    wait_for_count(&bench, 1, PROBE_OK, 5);
    assert_int_equal(count_of(&bench, 0, PROBE_OK), 0);
    atomic_store(&bench.pools[0].servers[0]->admin, SERVER_ADMIN_UP);
    wait_for_count(&bench, 0, PROBE_OK, 1);
    bench_close(&bench);
}

static void test_a_server_may_start_as_down(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench);
    bench.options.timing.starts_down = true;
    peer_close(&bench.listening[0]);
    bench_start(&bench);
    assert_int_equal(server_state_of(bench.pools[0].servers[0]), SERVER_STATE_DOWN);
    assert_int_equal(server_state_of(bench.pools[0].servers[1]), SERVER_STATE_DOWN);
    wait_for_changes(&bench, 1);
    assert_ptr_equal(bench.last.server, bench.pools[0].servers[1]);
    assert_int_equal(bench.last.to, SERVER_STATE_UP);
    assert_int_equal(count_of(&bench, 1, PROBE_OK), 1);
    bench_close(&bench);
}

static void test_ports_of_the_server_come_before_those_of_the_check(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench);
    /* b's own port is dead; its health port is a's. The check's port is that of nobody. */
    bench.options.port = bench.pools[0].servers[1]->addr.port;
    bench.pools[0].servers[1]->health_port = bench.pools[0].servers[0]->addr.port;
    peer_close(&bench.listening[1]);
    bench_start(&bench);
    wait_for_count(&bench, 1, PROBE_OK, 2);
    wait_for_count(&bench, 0, PROBE_REFUSED, 2);
    bench_close(&bench);
}

static void test_servers_that_come_are_checked_and_those_that_go_are_not(void **state)
{
    struct bench bench;
    struct pool *pool;
    struct check_report report;
    struct server *gone;

    (void)state;
    bench_open(&bench);
    bench_start(&bench);
    pool = &bench.pools[0];
    add_server(pool, "c", pool->servers[0]->addr.port);
    assert_false(checker_report(bench.checker, pool, pool->servers[2], &report));
    checker_pool_changed(bench.checker, pool);
    wait_for_count(&bench, 2, PROBE_OK, 1);

    /* A removed one, in the midst of its checks; what it was stays with it. */
    gone = pool->servers[1];
    peer_close(&bench.listening[1]);
    wait_for_changes(&bench, 1);
    pool_remove_server(pool, gone, clock_now_ms());
    checker_pool_changed(bench.checker, pool);
    assert_false(checker_report(bench.checker, pool, gone, &report));
    add_server(pool, "b", gone->addr.port);
    assert_ptr_equal(pool->servers[1], gone);
    checker_pool_changed(bench.checker, pool);
    assert_true(checker_report(bench.checker, pool, gone, &report));
    assert_false(report.is_up);
    assert_int_equal(server_state_of(gone), SERVER_STATE_DOWN);
    wait_for_count(&bench, 1, PROBE_REFUSED, 2);
    assert_int_equal(bench.changes, 1);
    bench_close(&bench);
}

static void test_pools_without_checks_are_left_alone(void **state)
{
    struct bench bench;
    struct check_report report;

    (void)state;
    bench_open(&bench);
    bench_start(&bench);
    checker_pool_changed(bench.checker, &bench.pools[1]);
    checker_pool_changed(NULL, &bench.pools[1]);
    assert_false(
        checker_report(bench.checker, &bench.pools[1], bench.pools[1].servers[0], &report));
    assert_false(checker_report(NULL, &bench.pools[0], bench.pools[0].servers[0], &report));
    bench_close(&bench);
    checker_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_that_stops_is_down_after_fall_checks),
        cmocka_unit_test(test_it_is_up_again_after_rise_checks_and_says_since_when),
        cmocka_unit_test(test_good_checks_end_an_ejection),
        cmocka_unit_test(test_checks_come_from_the_sources_of_the_pool),
        cmocka_unit_test(test_a_server_in_maintenance_is_left_alone),
        cmocka_unit_test(test_a_server_may_start_as_down),
        cmocka_unit_test(test_ports_of_the_server_come_before_those_of_the_check),
        cmocka_unit_test(test_servers_that_come_are_checked_and_those_that_go_are_not),
        cmocka_unit_test(test_pools_without_checks_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
