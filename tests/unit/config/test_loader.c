/* SPDX-License-Identifier: Apache-2.0 */
/* test_loader.c - which files are read, in which order, and overrides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/config_parts.h"
#include "config/fixture.h"
#include "config/loader.h"

static const char *value_of(const struct config *config, enum section_kind kind, const char *name,
                            enum option_id option)
{
    return settings_text(&config->settings, settings_find(&config->settings, kind, name), option);
}

static struct config *load_with(const char *const *overrides, size_t count)
{
    const char *file = "culvert.ini";
    struct config_sources sources = {
        .files = &file, .file_count = 1, .overrides = overrides, .override_count = count};
    struct config *config = config_load(&sources, false);

    assert_non_null(config);
    return config;
}

static void expect_override(const char *override, const char *message)
{
    struct config *config = load_with(&override, 1);
    char *messages = messages_of(config);

    if (strstr(messages, message) == NULL)
        fail_msg("%s\nwanted: %s\ngot: %s", override, message, messages);
    free(messages);
    config_destroy(config);
}

static void test_included_files_come_after_and_override(void **state)
{
    (void)state;
    assert_int_equal(mkdir("conf.d", 0700), 0);
    write_file("conf.d/20-b.ini", "[defaults]\nidle_timeout = 20s\n[listen web]\nbind = :82\n");
    write_file("conf.d/10-a.ini", "[defaults]\nidle_timeout = 10s\n[listen web]\nbind =\n"
                                  "bind = :81\nsplice = off\n");
    write_file("conf.d/ignored.txt", "nonsense");
    struct config *config = load_good("[culvert]\ninclude = conf.d/*.ini none/*.ini\n"
                                      "[defaults]\nidle_timeout = 5s\n" MINIMAL);
    const struct section *web = settings_find(&config->settings, SECTION_LISTEN, "web");

    assert_string_equal(settings_text(&config->settings, web, LISTEN_IDLE_TIMEOUT), "20s");
    assert_string_equal(settings_text(&config->settings, web, LISTEN_SPLICE), "off");
    /* The first one replaces (it begins with an empty assignment), the second adds. */
    const struct setting *bind = section_value(web, LISTEN_BIND);
    assert_int_equal(bind->count, 2);
    assert_string_equal(bind->items[0].text, ":81");
    assert_string_equal(bind->items[1].text, ":82");
    assert_string_equal(config->source, "culvert.ini (+2 included)");
    config_destroy(config);
}

static void test_includes_are_relative_and_read_depth_first(void **state)
{
    (void)state;
    assert_int_equal(mkdir("sub", 0700), 0);
    assert_int_equal(mkdir("sub/deep", 0700), 0);
    write_file("sub/one.ini", "[culvert]\ninclude = deep/*.ini\n[log]\nlevel = debug\n");
    write_file("sub/deep/two.ini", "[log]\nlevel = trace\nformat = text\n");
    write_file("sub/last.ini", "[log]\nformat = json\n");
    struct config *config =
        load_good("[culvert]\ninclude = sub/one.ini\ninclude = sub/last.ini\n" MINIMAL);

    assert_string_equal(value_of(config, SECTION_LOG, "", LOG_OPTION_LEVEL), "trace");
    assert_string_equal(value_of(config, SECTION_LOG, "", LOG_OPTION_FORMAT), "json");
    config_destroy(config);
}

static void test_wrong_includes_are_errors(void **state)
{
    char name[32];
    char text[64];

    (void)state;
    expect("[culvert]\ninclude = missing.ini\n" MINIMAL,
           "culvert.ini:2:11: error: missing.ini cannot be opened: No such file");
    expect("[culvert]\ninclude = .\n" MINIMAL,
           "culvert.ini:2:11: error: . is a folder, not a file");
    expect("[culvert]\ninclude = culvert.ini\n" MINIMAL,
           "culvert.ini:2:11: error: this include closes a circle");
    write_file("a.ini", "[culvert]\ninclude = b.ini\n");
    write_file("b.ini", "[culvert]\ninclude = a.ini\n");
    expect("[culvert]\ninclude = a.ini\n" MINIMAL,
           "b.ini:2:11: error: this include closes a circle: a.ini is being read");
    write_file("b.ini", "");
    expect("[culvert]\ninclude = a.ini b.ini\n" MINIMAL,
           "culvert.ini:2:17: warning: b.ini has been read already; it is not read again");
    for (int i = 0; i <= 100; i++) {
        snprintf(name, sizeof(name), "deep%d.ini", i);
        snprintf(text, sizeof(text), "[culvert]\ninclude = deep%d.ini\n", i + 1);
        write_file(name, text);
    }
    expect("[culvert]\ninclude = deep0.ini\n" MINIMAL,
           "deep7.ini:2:11: error: files include each other more than 8 deep here");
    /* A folder that cannot be looked into is not an empty one. */
    assert_int_equal(symlink("loop", "loop"), 0);
    expect("[culvert]\ninclude = loop/*.ini\n" MINIMAL,
           "culvert.ini:2:11: error: 'loop/*.ini' cannot be searched: Too many levels");
    assert_int_equal(mkfifo("pipe.ini", 0600), 0);
    expect("[culvert]\ninclude = pipe.ini\n" MINIMAL, "pipe.ini is a FIFO, not a file");
}

static void test_eight_levels_are_allowed(void **state)
{
    char name[32];
    char text[64];

    (void)state;
    for (int i = 1; i < INCLUDE_DEPTH_MAX; i++) {
        snprintf(name, sizeof(name), "level%d.ini", i);
        snprintf(text, sizeof(text), "[culvert]\ninclude = level%d.ini\n", i + 1);
        write_file(name, text);
    }
    write_file("level8.ini", "[log]\nlevel = warn\n");
    struct config *config = load_good("[culvert]\ninclude = level1.ini\n" MINIMAL);

    assert_string_equal(value_of(config, SECTION_LOG, "", LOG_OPTION_LEVEL), "warn");
    config_destroy(config);
}

static void test_a_folder_is_its_main_file_and_drop_ins(void **state)
{
    (void)state;
    assert_int_equal(mkdir("etc", 0700), 0);
    assert_int_equal(mkdir("etc/conf.d", 0700), 0);
    write_file("etc/culvert.ini", MINIMAL);
    write_file("etc/conf.d/x.ini", "[log]\nlevel = error\n");
    struct config *config = load_file("etc");
    assert_true(config_is_valid(config));
    assert_string_equal(value_of(config, SECTION_LOG, "", LOG_OPTION_LEVEL), "error");
    assert_string_equal(config->source, "etc/culvert.ini (+1 included)");
    config_destroy(config);
    /* A main file that includes its drop-ins itself has them once. */
    write_file("etc/culvert.ini", "[culvert]\ninclude = conf.d/*.ini\n" MINIMAL);
    config = load_file("etc/");
    char *messages = messages_of(config);
    assert_string_equal(messages, "");
    assert_string_equal(config->source, "etc/culvert.ini (+1 included)");
    free(messages);
    config_destroy(config);
    assert_int_equal(remove("etc/culvert.ini"), 0);
    expect_in_file("etc", "culvert: error: etc/culvert.ini cannot be opened");
}

static void test_several_files_are_read_in_order(void **state)
{
    static const char *const names[] = {"one.ini", "two.ini"};
    struct config_sources sources = {.files = names, .file_count = 2};

    (void)state;
    write_file("one.ini", MINIMAL "[log]\nlevel = warn\n");
    write_file("two.ini", "[log]\nlevel = debug\n");
    struct config *config = config_load(&sources, false);
    assert_true(config_is_valid(config));
    assert_string_equal(value_of(config, SECTION_LOG, "", LOG_OPTION_LEVEL), "debug");
    assert_string_equal(config->source, "one.ini, two.ini");
    config_destroy(config);
}

static void test_standard_input(void **state)
{
    (void)state;
    write_file("in.ini", MINIMAL "[log]\nlevl = warn\n");
    assert_non_null(freopen("in.ini", "r", stdin));
    expect_in_file("-", "(stdin):5:1: error: unknown key 'levl' in [log]; did you mean 'level'?");
}

static void test_without_files_the_variable_decides_then_the_embedded_text(void **state)
{
    struct config_sources sources = {0};

    (void)state;
    write_file("env.ini", MINIMAL);
    setenv("CULVERT_CONFIG", "env.ini", 1);
    struct config *config = config_load(&sources, false);
    assert_string_equal(config->source, "env.ini");
    config_destroy(config);
    unsetenv("CULVERT_CONFIG");
    if (access("/etc/culvert/culvert.ini", F_OK) == 0)
        skip();
    config = config_load(&sources, false);
    assert_string_equal(config->source, "(embedded)");
    assert_true(config_is_valid(config));
    config_destroy(config);
}

static void test_overrides_win_and_replace_lists(void **state)
{
    static const char *const overrides[] = {"listen.web.idle_timeout=7s", "listen.web.bind=:8080",
                                            "listen.web.bind=:8081", "limits.max_connections=12",
                                            "culvert.name=a b=c"};

    (void)state;
    write_file("culvert.ini", MINIMAL "idle_timeout = 5s\n");
    struct config *config = load_with(overrides, ARRAY_LENGTH(overrides));
    assert_true(config_is_valid(config));
    assert_string_equal(value_of(config, SECTION_LISTEN, "web", LISTEN_IDLE_TIMEOUT), "7s");
    assert_string_equal(value_of(config, SECTION_LIMITS, "", LIMITS_MAX_CONNECTIONS), "12");
    assert_string_equal(value_of(config, SECTION_CULVERT, "", CULVERT_NAME), "a b=c");
    const struct setting *bind =
        section_value(settings_find(&config->settings, SECTION_LISTEN, "web"), LISTEN_BIND);
    assert_int_equal(bind->count, 2);
    assert_string_equal(bind->items[1].text, ":8081");
    config_destroy(config);
}

static void test_the_last_of_two_overrides_counts(void **state)
{
    static const char *const overrides[] = {"log.level=warn", "log.level=debug"};

    (void)state;
    write_file("culvert.ini", MINIMAL);
    struct config *config = load_with(overrides, 2);
    assert_true(config_is_valid(config));
    assert_string_equal(value_of(config, SECTION_LOG, "", LOG_OPTION_LEVEL), "debug");
    config_destroy(config);
}

static void test_names_with_dots_can_be_overridden(void **state)
{
    static const char *const override = "listen.a.b.idle_timeout=7s";

    (void)state;
    write_file("culvert.ini", "[listen a.b]\nbind = :0\nserver = 127.0.0.1:9\n");
    struct config *config = load_with(&override, 1);
    assert_true(config_is_valid(config));
    assert_string_equal(value_of(config, SECTION_LISTEN, "a.b", LISTEN_IDLE_TIMEOUT), "7s");
    config_destroy(config);
}

static void test_tls_can_be_overridden(void **state)
{
    static const char *const overrides[] = {"listen.web.tls=./x.pem", "tls.public.min_version=1.3",
                                            "tls.public.alpn=h2"};

    (void)state;
    write_file("culvert.ini", MINIMAL "tls = public\n[tls public]\nalpn = x y\n");
    struct config *config = load_with(overrides, ARRAY_LENGTH(overrides));
    assert_true(config_is_valid(config));
    assert_non_null(strstr(value_of(config, SECTION_LISTEN, "web", LISTEN_TLS), "/x.pem"));
    assert_string_equal(value_of(config, SECTION_TLS, "public", TLS_OPTION_MIN_VERSION), "1.3");
    assert_string_equal(value_of(config, SECTION_TLS, "public", TLS_OPTION_ALPN), "h2");
    config_destroy(config);
}

static void test_wrong_overrides_are_errors(void **state)
{
    (void)state;
    write_file("culvert.ini", MINIMAL);
    expect_override("nonsense", "-s:1:1: error: an override is SECTION.KEY=VALUE");
    expect_override("=", "-s:1:1: error: an override is");
    expect_override(".=", "-s:1:1: error: an override is");
    expect_override("log.=", "-s:1:1: error: an override is");
    expect_override("log..level=x", "-s:1:1: error: an override is");
    expect_override("log.level=warn\nx", "-s:1:1: error: an override is");
    expect_override("limit.max_connections=3", "unknown section [limit]; did you mean [limits]?");
    expect_override("listen.idle_timeout=3s", "[listen] sections have names: listen.NAME.idle");
    expect_override("log.x.level=warn", "[log] has no name: log.level=...");
    expect_override("listen.wob.idle_timeout=3s",
                    "there is no [listen wob] to override; did you mean 'web'?");
    expect_override("pool.web.balance=first", "there is no [pool web] to override\n");
    expect_override("listen.web.idle_timout=3s", "unknown key 'idle_timout' in [listen web]");
    expect_override("listen.web.idle_timeout=3", "-s:1:25: error: '3' needs a unit");
    expect_override("tls.x.cert=y", "there is no [tls x] to override");
    expect_override("fault.x.seed=1", "[fault] is not available in this version");
    expect_override("culvert.include=x.ini", "'include' cannot be overridden");
}

static void test_a_quick_run_takes_bare_ports(void **state)
{
    struct config_sources sources = {.quick_ini =
                                         "[listen main]\nbind = 8080\nserver = 10.0.0.5:80\n"};

    (void)state;
    struct config *config = config_load(&sources, false);
    assert_true(config_is_valid(config));
    assert_string_equal(config->source, "(command line)");
    config_destroy(config);
    sources.quick_ini = "[listen main]\nbind = 8080\nserver = nonsense\n";
    config = config_load(&sources, false);
    char *messages = messages_of(config);
    assert_non_null(strstr(messages, "(command line):3:10: error: 'nonsense' is no address"));
    free(messages);
    config_destroy(config);
}

static void test_a_file_others_may_write_is_a_warning(void **state)
{
    (void)state;
    write_file("open.ini", MINIMAL);
    assert_int_equal(chmod("open.ini", 0666), 0);
    expect_in_file("open.ini", "open.ini: warning: everyone may write this file");
}

static void test_every_broken_source_is_refused(void **state)
{
    static const char *const empty[] = {"", "# nothing\n; here\n", "\n\n", "\xef\xbb\xbf"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(empty); i++)
        expect(empty[i], "error: there is no [listen NAME]: nothing to do");
    expect_in_file("/dev/zero", "/dev/zero is a device, not a file");
    expect_in_file("missing.ini", "missing.ini cannot be opened");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_included_files_come_after_and_override),
        cmocka_unit_test(test_includes_are_relative_and_read_depth_first),
        cmocka_unit_test(test_wrong_includes_are_errors),
        cmocka_unit_test(test_eight_levels_are_allowed),
        cmocka_unit_test(test_a_folder_is_its_main_file_and_drop_ins),
        cmocka_unit_test(test_several_files_are_read_in_order),
        cmocka_unit_test(test_standard_input),
        cmocka_unit_test(test_without_files_the_variable_decides_then_the_embedded_text),
        cmocka_unit_test(test_overrides_win_and_replace_lists),
        cmocka_unit_test(test_the_last_of_two_overrides_counts),
        cmocka_unit_test(test_names_with_dots_can_be_overridden),
        cmocka_unit_test(test_tls_can_be_overridden),
        cmocka_unit_test(test_wrong_overrides_are_errors),
        cmocka_unit_test(test_a_quick_run_takes_bare_ports),
        cmocka_unit_test(test_a_file_others_may_write_is_a_warning),
        cmocka_unit_test(test_every_broken_source_is_refused),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
