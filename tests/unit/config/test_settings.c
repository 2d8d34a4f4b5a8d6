/* SPDX-License-Identifier: Apache-2.0 */
/* test_settings.c - sections, [defaults], and which of several values counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/config_parts.h"
#include "config/fixture.h"
#include "config/settings.h"

static const char *listen_value(const struct config *config, const char *name, enum option_id id)
{
    return settings_text(&config->settings, settings_find(&config->settings, SECTION_LISTEN, name),
                         id);
}

static void test_own_value_over_defaults_over_built_in(void **state)
{
    struct config *config =
        load_good("[defaults]\nidle_timeout = 5s\nbalance = first\nnodelay = no\n" MINIMAL
                  "[listen b]\nbind = :0\npool = p\nidle_timeout = 7s\n"
                  "[pool p]\nserver = 127.0.0.1:9\nnodelay = yes\n");
    const struct section *pool = settings_find(&config->settings, SECTION_POOL, "p");

    (void)state;
    assert_string_equal(listen_value(config, "web", LISTEN_IDLE_TIMEOUT), "5s");
    assert_string_equal(listen_value(config, "b", LISTEN_IDLE_TIMEOUT), "7s");
    assert_string_equal(listen_value(config, "b", LISTEN_STALL_TIMEOUT), "60s");
    assert_int_equal(settings_word(&config->settings, pool, POOL_BALANCE), 3);
    /* A key that [listen] and [pool] share counts for both. */
    assert_string_equal(listen_value(config, "web", LISTEN_NODELAY), "no");
    assert_string_equal(settings_text(&config->settings, pool, POOL_NODELAY), "yes");
    assert_string_equal(settings_text(&config->settings, NULL, POOL_NODELAY), "no");
    config_destroy(config);
}

static void test_defaults_take_only_keys_with_d(void **state)
{
    (void)state;
    expect("[defaults]\nbind = :80\n" MINIMAL, "culvert.ini:2:1: error: 'bind' belongs in [admin] "
                                               "or [metrics] or [listen NAME], not in [defaults]");
    expect("[defaults]\nidle_timeout = 5\n" MINIMAL, "1 error, 0 warnings");
}

static void test_a_key_twice_in_a_section_is_an_error(void **state)
{
    (void)state;
    expect(MINIMAL "backlog = 1\nbacklog = 2\n",
           "culvert.ini:5:1: error: 'backlog' is set twice (first at culvert.ini:4)");
    expect("[defaults]\nnodelay = no\nnodelay = no\n" MINIMAL,
           "culvert.ini:3:1: error: 'nodelay' is set twice (first at culvert.ini:2)");
    expect("[defaults]\nnodelay = no\nnodelay = no\n" MINIMAL, "1 error, 0 warnings");
}

static void test_a_section_twice_in_a_file_is_an_error(void **state)
{
    (void)state;
    expect(MINIMAL "[listen web]\nbacklog = 9\n",
           "culvert.ini:4:1: error: [listen web] is there twice (first at culvert.ini:1)");
    expect("[log]\n[log]\n" MINIMAL, "culvert.ini:2:1: error: [log] is there twice");
}

static void test_names_are_where_they_belong(void **state)
{
    (void)state;
    expect("[listen]\nbind = :1\n" MINIMAL, "1:1: error: [listen] needs a name: [listen NAME]");
    expect("[log x]\nlevel = info\n" MINIMAL, "1:1: error: there is one [log] at most");
    expect("[tls]\ncert = y\n" MINIMAL, "1:1: error: [tls] needs a name: [tls NAME]");
    expect("[fault x]\nseed = 1\n" MINIMAL, "1:1: error: [fault] is not available in this version");
    expect("[dns x]\n" MINIMAL, "1:1: error: there is one [dns] at most");
    expect("[Listen x]\n" MINIMAL, "1:1: error: unknown section [Listen]; did you mean [listen]?");
}

static void test_names_differ_by_every_character(void **state)
{
    struct config *config =
        load_good("[listen aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1]\nbind = :0\nserver = 127.0.0.1:9\n"
                  "[listen aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2]\nbind = :0\nserver = 127.0.0.1:9\n"
                  "[listen AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA2]\nbind = :0\nserver = 127.0.0.1:9\n");

    (void)state;
    assert_int_equal(settings_count(&config->settings, SECTION_LISTEN), 3);
    config_destroy(config);
}

static void test_sections_keep_the_order_of_the_file(void **state)
{
    struct config *config = load_good("[listen b]\nbind = :0\nserver = 127.0.0.1:9\n"
                                      "[listen a]\nbind = :0\nserver = 127.0.0.1:9\n");
    const struct section *first = settings_first(&config->settings, SECTION_LISTEN);

    (void)state;
    assert_string_equal(first->name, "b");
    assert_int_equal(first->number, 0);
    assert_string_equal(section_next(first)->name, "a");
    assert_null(section_next(section_next(first)));
    config_destroy(config);
}

static void test_lists_add_up_and_are_cleared(void **state)
{
    struct config *config = load_good("[listen web]\nbind = :0\nbind = 127.0.0.1:0 [::1]:0\n"
                                      "server = 10.0.0.1:80\nserver =\nserver = 10.0.0.2:80\n");
    const struct section *web = settings_first(&config->settings, SECTION_LISTEN);

    (void)state;
    assert_int_equal(section_value(web, LISTEN_BIND)->count, 3);
    assert_int_equal(section_value(web, LISTEN_SERVER)->count, 1);
    assert_string_equal(section_value(web, LISTEN_SERVER)->items[0].text, "10.0.0.2:80");
    config_destroy(config);
    expect("[listen web]\nbind = :0\nserver = 10.0.0.1:80\nserver =\n",
           "culvert.ini:1:1: error: [listen web] needs 'pool', 'server', 'sni_map' or a");
}

static void test_an_empty_scalar_is_an_error(void **state)
{
    (void)state;
    expect(MINIMAL "idle_timeout =\n", "culvert.ini:4:14: error: 'idle_timeout' needs a value");
    unsetenv("T_NONE");
    expect(MINIMAL "idle_timeout = ${T_NONE:-}\n", "'idle_timeout' needs a value");
}

static void test_durations_round_up_to_milliseconds(void **state)
{
    struct config *config = load_good(MINIMAL "idle_timeout = 1us\nmax_lifetime = 1001us\n");
    const struct section *web = settings_first(&config->settings, SECTION_LISTEN);

    (void)state;
    assert_int_equal(settings_ms(&config->settings, web, LISTEN_IDLE_TIMEOUT), 1);
    assert_int_equal(settings_ms(&config->settings, web, LISTEN_MAX_LIFETIME), 2);
    config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_value_over_defaults_over_built_in),
        cmocka_unit_test(test_defaults_take_only_keys_with_d),
        cmocka_unit_test(test_a_key_twice_in_a_section_is_an_error),
        cmocka_unit_test(test_a_section_twice_in_a_file_is_an_error),
        cmocka_unit_test(test_names_are_where_they_belong),
        cmocka_unit_test(test_names_differ_by_every_character),
        cmocka_unit_test(test_sections_keep_the_order_of_the_file),
        cmocka_unit_test(test_lists_add_up_and_are_cleared),
        cmocka_unit_test(test_an_empty_scalar_is_an_error),
        cmocka_unit_test(test_durations_round_up_to_milliseconds),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
