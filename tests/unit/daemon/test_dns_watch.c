/* SPDX-License-Identifier: Apache-2.0 */
/* test_dns_watch.c - what discovery finds is what workers choose from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/config.h"
#include "daemon/dns_watch.h"

struct fixture {
    struct event_base *base;
    struct config *config;
    struct snapshot *snapshot;
    struct worker_shared shared; /* without workers: nobody has to be told */
    struct bound_addr bound;
    struct dns_watch *watch;
};

static void open_watch(struct fixture *fixture, const char *ini)
{
    const struct config_sources sources = {.quick_ini = ini};
    struct error error = {.text = ""};

    fixture->base = event_base_new();
    fixture->config = config_load(&sources, false);
    assert_non_null(fixture->config);
    assert_true(config_is_valid(fixture->config));
    fixture->snapshot = config_snapshot(fixture->config);
    assert_non_null(fixture->snapshot);
    const struct dns_watch_options options = {.snapshot = fixture->snapshot,
                                              .shared = &fixture->shared,
                                              .bound = &fixture->bound,
                                              .bound_count = 1};

    fixture->watch = dns_watch_open(fixture->base, &options, &error);
    assert_non_null(fixture->watch);
}

static void close_watch(struct fixture *fixture)
{
    dns_watch_close(fixture->watch);
    snapshot_unref(fixture->snapshot);
    config_destroy(fixture->config);
    event_base_free(fixture->base);
}

static void test_name_of_the_hosts_file_becomes_servers(void **state)
{
    struct fixture fixture = {0};
    const struct pool *pool;

    (void)state;
    open_watch(&fixture, "[listen l]\nbind = 127.0.0.1:0\nserver = db localhost:5432\n");
    dns_watch_settle(fixture.watch);
    pool = &fixture.snapshot->pools[0];
    assert_true(pool->members->server_count >= 1);
    assert_memory_equal(pool->members->servers[0]->name, "db@", 3);
    assert_int_equal(pool->members->servers[0]->addr.port, 5432);
    assert_non_null(dns_watch_discovery(fixture.watch));
    close_watch(&fixture);
}

static void test_without_names_nothing_is_looked_up(void **state)
{
    struct fixture fixture = {0};

    (void)state;
    open_watch(&fixture, "[listen l]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:9\n");
    dns_watch_settle(fixture.watch);
    assert_null(dns_watch_discovery(fixture.watch));
    close_watch(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_of_the_hosts_file_becomes_servers),
        cmocka_unit_test(test_without_names_nothing_is_looked_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
