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

static void expect_servers(const char *servers, const char *wanted)
{
    char text[1024];
    char got[1024] = "";

    snprintf(text, sizeof(text), "[listen web]\nbind = :0\nserver = %s\n", servers);
    struct config *config = load_resolved(text);
    assert_true(config_is_valid(config));
    struct snapshot *snapshot = config_snapshot(config);
    for (unsigned i = 0; i < snapshot->pools[0].server_count; i++) {
        const struct server *server = snapshot->pools[0].servers[i];
        char buffer[ADDR_TEXT_BYTES];
        size_t length = strlen(got);

        snprintf(got + length, sizeof(got) - length, "%s=%s ", server->name,
                 addr_text(&server->addr, buffer));
    }
    assert_string_equal(got, wanted);
    config_destroy(config);
    snapshot_unref(snapshot);
}

static void test_one_address_keeps_the_name(void **state)
{
    (void)state;
    expect_servers("db one.test:5432", "db=192.0.2.1:5432 ");
    expect_servers("one.test:5432", "one.test:5432=192.0.2.1:5432 ");
}

static void test_several_addresses_become_several_servers(void **state)
{
    (void)state;
    expect_servers("db two.test:80", "db-1=192.0.2.1:80 db-2=192.0.2.2:80 ");
    expect_servers("db two.test:80 db-1 192.0.2.9:80",
                   "db-2=192.0.2.1:80 db-3=192.0.2.2:80 db-1=192.0.2.9:80 ");
}

static void test_a_name_is_asked_for_once_and_each_port_is_kept(void **state)
{
    (void)state;
    expect_servers("a one.test:80 b one.test:81", "a=192.0.2.1:80 b=192.0.2.1:81 ");
    assert_int_equal(asked, 1);
}

static void test_an_unknown_server_is_a_warning_and_stays_without_address(void **state)
{
    (void)state;
    expect_servers("db none.test:80", "db=- ");
    struct config *config = load_resolved("[listen web]\nbind = :0\nserver = db none.test:80\n");
    char *messages = messages_of(config);
    assert_non_null(strstr(messages, "3:10: warning: none.test: nobody knows; its sessions will "
                                     "end as dns_failed"));
    free(messages);
    config_destroy(config);
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

static void test_a_loop_by_name_is_seen(void **state)
{
    struct config *config =
        load_resolved("[listen web]\nbind = 192.0.2.1:80\nserver = one.test:80\n");
    char *messages = messages_of(config);

    (void)state;
    assert_non_null(strstr(messages, "warning: this server is [listen web] itself"));
    free(messages);
    config_destroy(config);
}

static void test_nobody_is_asked_without_resolve_or_after_an_error(void **state)
{
    (void)state;
    asked = 0;
    config_destroy(load_text("[listen web]\nbind = :0\nserver = one.test:80\n"));
    assert_int_equal(asked, 0);
    config_destroy(load_resolved("[listen web]\nbind = :x\nserver = one.test:80\n"));
    assert_int_equal(asked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_address_keeps_the_name),
        cmocka_unit_test(test_several_addresses_become_several_servers),
        cmocka_unit_test(test_a_name_is_asked_for_once_and_each_port_is_kept),
        cmocka_unit_test(test_an_unknown_server_is_a_warning_and_stays_without_address),
        cmocka_unit_test(test_an_unknown_bind_is_an_error),
        cmocka_unit_test(test_a_bind_by_name_binds_all_its_addresses),
        cmocka_unit_test(test_a_loop_by_name_is_seen),
        cmocka_unit_test(test_nobody_is_asked_without_resolve_or_after_an_error),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
