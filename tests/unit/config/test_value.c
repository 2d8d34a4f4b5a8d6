/* SPDX-License-Identifier: Apache-2.0 */
/* test_value.c - what each type takes, refuses, and means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/value_world.h"

static void test_enums_suggest(void **state)
{
    struct setting setting = {0};

    (void)state;
    assert_null(parse(POOL_BALANCE, "roundrobin", &setting));
    assert_int_equal(setting.items[0].word, 1);
    setting_clear(&setting);
    expect_refused(POOL_BALANCE, "round_robin", "did you mean 'roundrobin'?");
    expect_refused(LISTEN_IDLE_POLICY, "alive",
                   "'idle_policy = alive' is not available in this version");
    expect_refused(POOL_BALANCE, "LEASTCONN", "'balance' takes one of: leastconn");
}

static void test_strings_are_bare_or_quoted_whole(void **state)
{
    struct setting setting = {0};

    (void)state;
    assert_null(parse(LISTEN_DESCRIPTION, "  the web, all of it  ", &setting));
    assert_string_equal(setting.items[0].text, "the web, all of it");
    setting_clear(&setting);
    assert_null(parse(LISTEN_DESCRIPTION, "\" kept \"", &setting));
    assert_string_equal(setting.items[0].text, " kept ");
    setting_clear(&setting);
    assert_null(parse(LISTEN_DESCRIPTION, "\"\"", &setting));
    assert_string_equal(setting.items[0].text, "");
    setting_clear(&setting);
    expect_refused(LISTEN_DESCRIPTION, "a \"b\"", "put the whole value in quotes");
    expect_refused(LISTEN_DESCRIPTION, "\"a\\x00b\"", "a control byte (0x00)");
    expect_refused(LISTEN_DESCRIPTION, "\"a\\nb\"", "a control byte (0x0a)");
    expect_refused(LISTEN_DESCRIPTION, "", "'description' needs a value");
}

static void test_a_variable_cannot_smuggle_control_bytes(void **state)
{
    (void)state;
    setenv("T_ESCAPE", "a\033[31mb", 1);
    expect_refused(LISTEN_DESCRIPTION, "${T_ESCAPE}", "a control byte (0x1b)");
    setenv("T_LINES", "127.0.0.1:80\nuser = root", 1);
    expect_refused(LISTEN_BIND, "${T_LINES}", "a control byte (0x0a)");
}

static void test_lists_split_at_blanks_and_commas(void **state)
{
    struct setting setting = {0};

    (void)state;
    assert_null(parse(LISTEN_BIND, ":80, 127.0.0.1:81\t[::1]:82,,unix:/x", &setting));
    assert_int_equal(setting.count, 4);
    assert_string_equal(setting.items[2].text, "[::1]:82");
    assert_int_equal(setting.items[2].origin.column, 19);
    assert_int_equal(setting.items[2].origin.length, 8);
    assert_null(parse(LISTEN_BIND, ":90", &setting));
    assert_int_equal(setting.count, 5);
    setting_clear(&setting);
    setenv("T_LIST", ":80 :81", 1);
    assert_null(parse(LISTEN_BIND, "${T_LIST}", &setting));
    assert_int_equal(setting.count, 2);
    setting_clear(&setting);
    /* One bad item is reported; the good ones are kept. */
    assert_non_null(parse(LISTEN_BIND, ":80 :x :81", &setting));
    assert_int_equal(setting.count, 2);
    setting_clear(&setting);
}

static const struct endpoint *server(const struct setting *setting, size_t index)
{
    return setting->items[index].endpoint;
}

static void test_servers(void **state)
{
    struct setting setting = {0};

    (void)state;
    assert_null(parse(POOL_SERVER,
                      "a 10.0.0.1:80 weight=3 max_connections=7, 10.0.0.2:80 backup b "
                      "unix:/x disabled builtin:echo drain",
                      &setting));
    assert_int_equal(setting.count, 4);
    assert_string_equal(server(&setting, 0)->name, "a");
    assert_int_equal(server(&setting, 0)->weight, 3);
    assert_int_equal(server(&setting, 0)->max_connections, 7);
    assert_string_equal(setting.items[0].text, "a 10.0.0.1:80 weight=3 max_connections=7");
    assert_string_equal(server(&setting, 1)->name, "10.0.0.2:80");
    assert_true(server(&setting, 1)->is_backup);
    assert_int_equal(server(&setting, 1)->weight, 1);
    assert_int_equal(server(&setting, 1)->max_connections, -1);
    assert_string_equal(server(&setting, 2)->name, "b");
    assert_true(server(&setting, 2)->is_disabled);
    assert_true(server(&setting, 3)->is_drain);
    setting_clear(&setting);
    assert_null(parse(POOL_SERVER, "10.0.0.1:80 server_name=db.example.com a:1", &setting));
    assert_string_equal(server(&setting, 0)->server_name, "db.example.com");
    assert_null(server(&setting, 1)->server_name);
    setting_clear(&setting);
    /* Before an address, such a word is a name. */
    assert_null(parse(POOL_SERVER, "backup 10.0.0.1:80", &setting));
    assert_string_equal(server(&setting, 0)->name, "backup");
    assert_false(server(&setting, 0)->is_backup);
    setting_clear(&setting);
}

static void test_wrong_servers_say_where(void **state)
{
    (void)state;
    expect_refused(POOL_SERVER, "10.0.0.1:80 weight=0", "13 'weight=0' must be a number from 1");
    expect_refused(POOL_SERVER, "10.0.0.1:80 weight=257", "from 1 to 256");
    expect_refused(POOL_SERVER, "10.0.0.1:80 weight=", "from 1 to 256");
    expect_refused(POOL_SERVER, "10.0.0.1:80 wieght=3", "did you mean 'weight='?");
    expect_refused(POOL_SERVER, "10.0.0.1:80 bakcup",
                   "'bakcup' is no address; did you mean 'backup'?");
    expect_refused(POOL_SERVER, "web", "1 'web' is no address");
    expect_refused(POOL_SERVER, "a b 10.0.0.1:80", "1 'a' is no address");
    expect_refused(POOL_SERVER, "a/b 10.0.0.1:80", "1 'a/b' is neither an address");
    expect_refused(POOL_SERVER, "srv:x._tcp.example.com", "is no SRV name");
    expect_refused(POOL_SERVER, "10.0.0.1:80 health_port=0",
                   "'health_port=0' must be a number from 1 to 65535");
    expect_refused(POOL_SERVER, "10.0.0.1:80 server_name=*.x", "13 '*.x': this is no host name");
    expect_refused(POOL_SERVER, "10.0.0.1:80 server_name=", "13 '': ");
    expect_refused(POOL_SERVER, "10.0.0.1:80, weight=3", "'weight=3' is no address");
}

static void test_paths_become_absolute_and_words_stay(void **state)
{
    struct setting setting = {0};
    char wanted[128];

    (void)state;
    assert_null(parse(CULVERT_PID_FILE, "x.pid", &setting));
    snprintf(wanted, sizeof(wanted), "%s/x.pid", fixture_folder);
    assert_string_equal(setting.items[0].text, wanted);
    setting_clear(&setting);
    assert_null(parse(LOG_OPTION_OUTPUT, "stdout", &setting));
    assert_int_equal(setting.items[0].word, 1);
    assert_string_equal(setting.items[0].text, "stdout");
    setting_clear(&setting);
    assert_null(parse(LOG_OPTION_OUTPUT, "syslog:127.0.0.1:514", &setting));
    assert_string_equal(setting.items[0].text, "syslog:127.0.0.1:514");
    setting_clear(&setting);
    expect_refused(LOG_OPTION_OUTPUT, "stder", "did you mean 'stderr'?");
}

static void test_a_reference_may_be_a_path(void **state)
{
    struct setting setting = {0};
    char wanted[128];

    (void)state;
    assert_null(parse(LISTEN_TLS, "public", &setting));
    assert_false(item_is_path(&setting.items[0]));
    setting_clear(&setting);
    assert_null(parse(LISTEN_TLS, "off", &setting));
    assert_int_equal(setting.items[0].word, 0);
    setting_clear(&setting);
    assert_null(parse(LISTEN_TLS, "/etc/culvert/tls", &setting));
    assert_true(item_is_path(&setting.items[0]));
    setting_clear(&setting);
    assert_null(parse(LISTEN_TLS, "web.pem", &setting));
    snprintf(wanted, sizeof(wanted), "%s/web.pem", fixture_folder);
    assert_string_equal(setting.items[0].text, wanted);
    setting_clear(&setting);
    assert_null(parse(ROUTE_TLS, "./certs", &setting));
    snprintf(wanted, sizeof(wanted), "%s/certs", fixture_folder);
    assert_string_equal(setting.items[0].text, wanted);
    setting_clear(&setting);
    expect_refused(LISTEN_TLS, "a b", "1 'a b' is neither the name of a [tls]");
    expect_refused(LISTEN_TLS, "a b", "nor a path, which has a slash or ends in .pem");
    expect_refused(POOL_TLS, "/etc/culvert/tls", "cannot be the name of a [tls]");
}

static void test_asking_for_nothing(void **state)
{
    static const char *const nothing[] = {"", "off", "no", "none", "0", "\"\"", "\"off\""};
    static const char *const something[] = {"on", "off x", "00", "false", "offoffoffoff"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(nothing) + ARRAY_LENGTH(something); i++) {
        bool is_nothing = i < ARRAY_LENGTH(nothing);
        const char *raw = is_nothing ? nothing[i] : something[i - ARRAY_LENGTH(nothing)];
        struct origin origin = {0};
        struct diagnostics diagnostics = {0};
        struct value_text text;

        assert_true(value_text_read(&text, raw, &origin, &diagnostics));
        if (value_is_nothing(&text) != is_nothing)
            fail_msg("%s", raw);
        value_text_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enums_suggest),
        cmocka_unit_test(test_strings_are_bare_or_quoted_whole),
        cmocka_unit_test(test_a_variable_cannot_smuggle_control_bytes),
        cmocka_unit_test(test_lists_split_at_blanks_and_commas),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_wrong_servers_say_where),
        cmocka_unit_test(test_paths_become_absolute_and_words_stay),
        cmocka_unit_test(test_a_reference_may_be_a_path),
        cmocka_unit_test(test_asking_for_nothing),
    };

    return cmocka_run_group_tests(tests, value_set_up, value_tear_down);
}
