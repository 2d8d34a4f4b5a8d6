/* SPDX-License-Identifier: Apache-2.0 */
/* test_loop_check.c - servers that are the listener whose sessions they get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "daemon/loop_check.h"

static const char ini[] = "[listen front]\nbind = 127.0.0.1:0\npool = p\n"
                          "[listen other]\nbind = 127.0.0.1:0\npool = q\n"
                          "[pool p]\nserver = a.test:1\n"
                          "[pool q]\nserver = b.test:1\n";

static struct addr addr_of(const char *ip, uint16_t port)
{
    struct addr addr = {.port = port};

    assert_true(addr_parse_ip(ip, strlen(ip), &addr));
    return addr;
}

static const struct pool *pool_of(const struct snapshot *snapshot, const char *name)
{
    for (unsigned i = 0; i < snapshot->pool_count; i++) {
        if (strcmp(snapshot->pools[i].name, name) == 0)
            return &snapshot->pools[i];
    }
    fail();
    return NULL;
}

static void test_own_listener_is_found_by_each_of_its_addresses(void **state)
{
    const struct config_sources sources = {.quick_ini = ini};
    struct config *config = config_load(&sources, false);
    struct snapshot *snapshot = config_snapshot(config);
    const struct {
        const char *bound;
        const char *server;
        uint16_t port;
        const char *pool;
        bool is_loop;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", 80, "p", true},
        {"127.0.0.1", "0.0.0.0", 80, "p", true},
        {"127.0.0.1", "127.0.0.1", 81, "p", false},
        {"127.0.0.1", "127.0.0.2", 80, "p", false},
        {"127.0.0.1", "127.0.0.1", 80, "q", false}, /* another listener's pool: a chain */
        {"0.0.0.0", "127.0.0.2", 80, "p", true},
        {"0.0.0.0", "192.0.2.1", 80, "p", false}, /* of no machine */
        {"::", "127.0.0.2", 80, "p", true},
        {"::1", "::", 80, "p", true},
        {"::1", "127.0.0.1", 80, "p", false},
    };

    (void)state;
    assert_non_null(snapshot);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct bound_addr bound[] = {
            {.listener_index = 1, .addr = addr_of("127.0.0.1", 9)},
            {.listener_index = 0, .addr = addr_of(cases[i].bound, 80)}};
        struct addr server = addr_of(cases[i].server, cases[i].port);
        const struct listener_config *listener =
            loop_check_find(snapshot, bound, 2, pool_of(snapshot, cases[i].pool), &server);

        print_message("%s %s\n", cases[i].bound, cases[i].server);
        assert_int_equal(listener != NULL, cases[i].is_loop);
        if (listener != NULL)
            assert_string_equal(listener->name, "front");
    }
    snapshot_unref(snapshot);
    config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_listener_is_found_by_each_of_its_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
