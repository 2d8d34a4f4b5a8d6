/* SPDX-License-Identifier: Apache-2.0 */
/* test_suggest.c - what an unknown word may have meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>

#include "config/suggest.h"

static void expect_key(enum section_kind section, const char *where, const char *key,
                       const char *wanted)
{
    char buffer[512];

    assert_string_equal(suggest_key(section, where, key, buffer, sizeof(buffer)), wanted);
}

static void expect_section(const char *type, const char *wanted)
{
    char buffer[512];

    assert_string_equal(suggest_section(type, buffer, sizeof(buffer)), wanted);
}

static void test_near_keys_of_the_section_come_first(void **state)
{
    (void)state;
    expect_key(SECTION_LISTEN, "[listen web]", "idle_timout",
               "unknown key 'idle_timout' in [listen web]; did you mean 'idle_timeout'?");
    expect_key(SECTION_LIMITS, "[limits]", "max_connection",
               "unknown key 'max_connection' in [limits]; did you mean 'max_connections'?");
    expect_key(SECTION_DEFAULTS, "[defaults]", "blance",
               "unknown key 'blance' in [defaults]; did you mean 'balance'?");
}

static void test_keys_of_other_sections_are_sent_there(void **state)
{
    (void)state;
    expect_key(SECTION_LISTEN, "[listen web]", "balance",
               "'balance' belongs in [pool NAME], not in [listen web]");
    expect_key(SECTION_LOG, "[log]", "workers", "'workers' belongs in [culvert], not in [log]");
    expect_key(SECTION_LISTEN, "[listen web]", "blance",
               "unknown key 'blance' in [listen web]; did you mean 'balance' of [pool NAME]?");
}

static void test_words_of_other_programs_are_translated(void **state)
{
    (void)state;
    expect_key(SECTION_LISTEN, "[listen web]", "proxy_timeout",
               "unknown key 'proxy_timeout' in [listen web]; nginx's proxy_timeout is "
               "'idle_timeout' in culvert");
    expect_key(SECTION_DEFAULTS, "[defaults]", "proxy_timeout",
               "unknown key 'proxy_timeout' in [defaults]; nginx's proxy_timeout is "
               "'idle_timeout' in culvert");
    expect_key(SECTION_POOL, "[pool a]", "proxy_timeout",
               "unknown key 'proxy_timeout' in [pool a]; nginx's proxy_timeout is 'idle_timeout' "
               "of [listen NAME] in culvert");
    expect_key(SECTION_CULVERT, "[culvert]", "daemon",
               "unknown key 'daemon' in [culvert]; culvert stays in the foreground; use systemd, a "
               "container or &");
    expect_key(SECTION_LISTEN, "[listen web]", "ssl_certificate",
               "unknown key 'ssl_certificate' in [listen web]; nginx's ssl_certificate is 'cert' "
               "of [tls NAME] in culvert");
    expect_key(SECTION_TLS, "[tls a]", "ssl_min_ver",
               "unknown key 'ssl_min_ver' in [tls a]; HAProxy's ssl_min_ver is 'min_version' in "
               "culvert");
    expect_key(SECTION_POOL, "[pool a]", "lb_polcy",
               "unknown key 'lb_polcy' in [pool a]; Envoy's lb_policy is 'balance' in culvert");
}

static void test_words_like_nothing_stand_alone(void **state)
{
    (void)state;
    expect_key(SECTION_LISTEN, "[listen web]", "xyzzy_plugh_quux",
               "unknown key 'xyzzy_plugh_quux' in [listen web]");
    expect_section("xyzzyplugh", "unknown section [xyzzyplugh]");
}

static void test_sections(void **state)
{
    (void)state;
    expect_section("lissten", "unknown section [lissten]; did you mean [listen]?");
    expect_section("frontend",
                   "unknown section [frontend]; HAProxy's frontend is [listen NAME] in culvert");
    expect_section("upstream",
                   "unknown section [upstream]; nginx's upstream is [pool NAME] in culvert");
    expect_section("Pool", "unknown section [Pool]; did you mean [pool]?");
}

static void test_every_answer_of_the_table_exists(void **state)
{
    /* Words whose answer names a key: each must lead to one that the table of options has. */
    static const char *const words[] = {
        "crt",        "curves",       "strict_sni",  "trusted_ca",  "proxy_ssl_name",   "cafile",
        "allow_uri",  "ssl_crl",      "req_ssl_sni", "ssl_ciphers", "ssl_protocols",    "ssl",
        "maxconn",    "nbthread",     "retries",     "maxqueue",    "slowstart",        "pidfile",
        "proxy_bind", "so_keepalive", "ssl_preread", "concurrency", "outlier_detection"};
    char buffer[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        char key[64] = "";

        suggest_key(SECTION_KINDS, "x", words[i], buffer, sizeof(buffer));
        const char *answer = strstr(buffer, " is '");
        assert_non_null(answer);
        sscanf(answer, " is '%63[a-z_0-9]'", key);
        bool is_known = false;
        for (size_t k = 0; k < OPTION_COUNT; k++)
            is_known |= strcmp(option_table[k].key, key) == 0;
        if (!is_known)
            fail_msg("%s", buffer);
    }
}

static void test_a_small_buffer_cuts(void **state)
{
    char buffer[16];

    (void)state;
    suggest_key(SECTION_LISTEN, "[listen web]", "idle_timout", buffer, sizeof(buffer));
    assert_string_equal(buffer, "unknown key 'id");
}

static void test_the_nearest_of_some_words_is_offered(void **state)
{
    char buffer[96];

    (void)state;
    assert_string_equal(suggest_word("pause reset close", "rest", buffer, sizeof(buffer)),
                        "; did you mean 'reset'?");
    assert_string_equal(suggest_word("pause reset close", "elephant", buffer, sizeof(buffer)), "");
    assert_string_equal(suggest_word(NULL, "reset", buffer, sizeof(buffer)), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_keys_of_the_section_come_first),
        cmocka_unit_test(test_keys_of_other_sections_are_sent_there),
        cmocka_unit_test(test_words_of_other_programs_are_translated),
        cmocka_unit_test(test_words_like_nothing_stand_alone),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_every_answer_of_the_table_exists),
        cmocka_unit_test(test_a_small_buffer_cuts),
        cmocka_unit_test(test_the_nearest_of_some_words_is_offered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
