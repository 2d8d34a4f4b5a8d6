/* SPDX-License-Identifier: Apache-2.0 */
/* test_lookup.c - names to addresses, with answers of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "net/resolve.h"
#include "config/fixture.h"
#include "config/lookup.h"

static int asked;

bool __wrap_resolve_host(const char *host, uint16_t port, struct addr **addrs, size_t *count,
                         struct error *error);

/* "two.test" has two addresses, "one.test" one, others none. */
bool __wrap_resolve_host(const char *host, uint16_t port, struct addr **addrs, size_t *count,
                         struct error *error)
{
    asked++;
    *count = strcmp(host, "two.test") == 0 ? 2 : strcmp(host, "one.test") == 0 ? 1 : 0;
    if (*count == 0)
        return error_set(error, 0, "%s: nobody knows", host);
    *addrs = calloc(*count, sizeof(**addrs));
    assert_non_null(*addrs);
    for (size_t i = 0; i < *count; i++) {
        char ip[32];

        snprintf(ip, sizeof(ip), "192.0.2.%zu", i + 1);
        (*addrs)[i].port = port;
        assert_true(addr_parse_ip(ip, strlen(ip), &(*addrs)[i]));
    }
    return true;
}

static struct config *load_resolved(const char *text)
{
    const char *file = "culvert.ini";
    struct config_sources sources = {.files = &file, .file_count = 1};

    asked = 0;
    write_file(file, text);
    return config_load(&sources, true);
}

static void test_servers_are_left_to_discovery(void **state)
{
    struct config *config =
        load_resolved("[listen web]\nbind = :0\nserver = one.test:80 db two.test:81\n");
    struct snapshot *snapshot = config_snapshot(config);

    (void)state;
    assert_true(config_is_valid(config));
    assert_int_equal(asked, 0);
    assert_int_equal(snapshot->pools[0].server_count, 0);
    assert_int_equal(snapshot->source_count, 2);
    assert_string_equal(snapshot->sources[0].host, "one.test");
    assert_string_equal(snapshot->sources[0].model.name, "one.test");
    assert_int_equal(snapshot->sources[0].port, 80);
    assert_string_equal(snapshot->sources[1].model.name, "db");
    config_destroy(config);
    snapshot_unref(snapshot);
}

static void test_a_bind_is_asked_for_once(void **state)
{
    (void)state;
    config_destroy(load_resolved("[listen web]\nbind = one.test:80 one.test:81\n"
                                 "server = 127.0.0.1:9\n"));
    assert_int_equal(asked, 1);
}

static void test_an_unknown_bind_is_an_error(void **state)
{
    struct config *config =
        load_resolved("[listen web]\nbind = none.test:80\nserver = 127.0.0.1:9\n");
    char *messages = messages_of(config);

    (void)state;
    assert_false(config_is_valid(config));
    assert_non_null(strstr(messages, "2:8: error: none.test: nobody knows"));
    free(messages);
    config_destroy(config);
}

static void test_a_bind_by_name_binds_all_its_addresses(void **state)
{
    struct config *config =
        load_resolved("[listen web]\nbind = two.test:80\nserver = 127.0.0.1:9\n");
    struct snapshot *snapshot = config_snapshot(config);

    (void)state;
    assert_int_equal(snapshot->listeners[0].bind_count, 2);
    config_destroy(config);
    snapshot_unref(snapshot);
}

static void test_nobody_is_asked_without_resolve_or_after_an_error(void **state)
{
    (void)state;
    asked = 0;
    config_destroy(load_text("[listen web]\nbind = one.test:80\nserver = 127.0.0.1:9\n"));
    assert_int_equal(asked, 0);
    config_destroy(load_resolved("[listen web]\nbind = :x one.test:80\nserver = 127.0.0.1:9\n"));
    assert_int_equal(asked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers_are_left_to_discovery),
        cmocka_unit_test(test_a_bind_is_asked_for_once),
        cmocka_unit_test(test_an_unknown_bind_is_an_error),
        cmocka_unit_test(test_a_bind_by_name_binds_all_its_addresses),
        cmocka_unit_test(test_nobody_is_asked_without_resolve_or_after_an_error),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
