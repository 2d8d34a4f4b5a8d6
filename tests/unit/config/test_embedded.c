/* SPDX-License-Identifier: Apache-2.0 */
/* test_embedded.c - the built-in configuration and the variables that change it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"

static const char *const variables[] = {
    "CULVERT_LISTEN", "CULVERT_SERVERS",    "CULVERT_TLS",    "CULVERT_IDLE_TIMEOUT",
    "CULVERT_ADMIN",  "CULVERT_SEND_PROXY", "CULVERT_METRICS"};

static int clear(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(variables); i++)
        unsetenv(variables[i]);
    return 0;
}

static void test_it_loads_without_a_word(void **state)
{
    struct config *config = load_good(config_embedded);
    struct snapshot *snapshot = config_snapshot(config);
    char text[ADDR_TEXT_BYTES];

    (void)state;
    assert_int_equal(snapshot->listener_count, 1);
    assert_string_equal(addr_text(&snapshot->listeners[0].binds[0], text), "127.0.0.1:8080");
    assert_int_equal(snapshot->pools[0].servers[0]->builtin, BUILTIN_ECHO);
    assert_int_equal(snapshot->process.admin_bind_count, 1);
    assert_int_equal(snapshot->process.metrics_bind_count, 0);
    config_destroy(config);
    snapshot_unref(snapshot);
}

static void test_variables_change_it(void **state)
{
    (void)state;
    setenv("CULVERT_LISTEN", ":5432", 1);
    setenv("CULVERT_SERVERS", "a 10.0.0.1:5432 b 10.0.0.2:5432 backup", 1);
    setenv("CULVERT_IDLE_TIMEOUT", "5m", 1);
    setenv("CULVERT_ADMIN", "off", 1);
    setenv("CULVERT_METRICS", ":9797", 1);
    struct config *config = load_good(config_embedded);
    struct snapshot *snapshot = config_snapshot(config);
    assert_int_equal(snapshot->pools[0].server_count, 2);
    assert_true(snapshot->pools[0].servers[1]->is_backup);
    assert_int_equal(snapshot->listeners[0].idle_timeout_ms, 300000);
    assert_int_equal(snapshot->process.admin_bind_count, 0);
    assert_int_equal(snapshot->process.metrics_bind_count, 1);
    config_destroy(config);
    snapshot_unref(snapshot);
}

static void test_every_variable_can_be_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(variables); i++) {
        setenv(variables[i], "/nonsense", 1);
        struct config_sources sources = {.quick_ini = config_embedded};
        struct config *config = config_load(&sources, true);
        assert_non_null(config);
        if (config_is_valid(config))
            fail_msg("%s", variables[i]);
        config_destroy(config);
        unsetenv(variables[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_loads_without_a_word, clear, clear),
        cmocka_unit_test_setup_teardown(test_variables_change_it, clear, clear),
        cmocka_unit_test_setup_teardown(test_every_variable_can_be_wrong, clear, clear),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
