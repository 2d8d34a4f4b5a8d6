/* SPDX-License-Identifier: Apache-2.0 */
/* test_dump.c - the dump says what counts and where it comes from, and loads to the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "config/fixture.h"

/* Removes the origins: "  # ..." at the end of each line. */
static void strip_origins(char *dump)
{
    char *out = dump;

    for (char *line = dump; *line != '\0';) {
        char *end = strchr(line, '\n');
        char *origin = NULL;

        for (char *found = line; (found = strstr(found, "  # ")) != NULL && found < end; found++)
            origin = found;
        size_t length = (size_t)((origin == NULL ? end : origin) - line);
        memmove(out, line, length);
        out += length;
        *out++ = '\n';
        line = end + 1;
    }
    *out = '\0';
}

/* dump -> load -> dump gives the same, in every form. */
static void expect_fixed_point(const char *text)
{
    static const enum config_dump forms[] = {CONFIG_DUMP_SET, CONFIG_DUMP_ALL, CONFIG_DUMP_CHANGED};
    struct config *config = load_good(text);

    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
        char *first = dump_of(config, forms[i]);

        write_file("again.ini", first);
        struct config *again = load_file("again.ini");
        char *messages = messages_of(again);
        if (!config_is_valid(again))
            fail_msg("%s\n%s", first, messages);
        char *second = dump_of(again, forms[i]);
        strip_origins(first);
        strip_origins(second);
        assert_string_equal(first, second);
        /* The effective values are the same, too, whatever the form leaves out. */
        char *all = dump_of(config, CONFIG_DUMP_JSON);
        char *all_again = dump_of(again, CONFIG_DUMP_JSON);
        json_t *wanted = json_loads(all, 0, NULL);
        json_t *got = json_loads(all_again, 0, NULL);
        json_t *sections[2] = {wanted, got};
        for (size_t k = 0; k < 2; k++) {
            /* Includes are merged, and the origins differ. */
            json_object_del(json_object_get(sections[k], "culvert"), "include");
        }
        assert_non_null(wanted);
        assert_non_null(got);
        char *wanted_values = json_dumps(wanted, JSON_SORT_KEYS);
        char *got_values = json_dumps(got, JSON_SORT_KEYS);
        for (char *values[2] = {wanted_values, got_values}, **value = values; value < values + 2;
             value++) {
            for (char *origin = *value; (origin = strstr(origin, "\"origin\": \"")) != NULL;) {
                origin += 11;
                char *quote = strchr(origin, '"');
                memmove(origin, quote, strlen(quote) + 1);
            }
        }
        assert_string_equal(wanted_values, got_values);
        free(wanted_values);
        free(got_values);
        json_decref(wanted);
        json_decref(got);
        free(all);
        free(all_again);
        free(first);
        free(second);
        free(messages);
        config_destroy(again);
    }
    config_destroy(config);
}

static void test_dumps_load_to_the_same(void **state)
{
    (void)state;
    setenv("T_NAME", "edge # 1 $x", 1);
    write_file("list", "10.0.0.0/8\n");
    expect_fixed_point(MINIMAL);
    expect_fixed_point(
        "[culvert]\nname = ${T_NAME}\nworkers = 3\npid_file = run/x.pid\n"
        "[limits]\nbuffer_memory = 10%\n[log]\noutput = a b.log\naccess = errors\n"
        "[admin]\nsocket = off\nbind = 127.0.0.1:9797 [::1]:9797\n[metrics]\nbind = off\n"
        "[defaults]\nidle_timeout = 1m30s\nbalance = random\nnodelay = no\nkeepalive = off\n"
        "[listen web]\nbind = :80 unix:/run/x\nbind = unix:@y\npool = app\n"
        "description = \" \\\"a\\\\b\\\" ; c # d $$ \"\n"
        "[listen own]\nbind = *:81\nserver = a 10.0.0.1:80 weight=2 backup, b 10.0.0.2:80 drain\n"
        "idle_timeout = 1h\n"
        "[route in]\nlisten = web own\nsource = @list 192.168.0.0/16\npool = app\n"
        "[route out]\nlisten = web\nsource = 192.0.2.0/24\naction = reject\n"
        "[pool app]\nserver = x.example.com:80 builtin:echo\nserver = unix:/run/z disabled\n"
        "nodelay = yes\n");
    write_file("names.map", "a.example.com app\n");
    expect_fixed_point(
        "[listen web]\nbind = :443\nsni_map = names.map\ntls = ./a $$ b.pem\nno_route = alert\n"
        "preread_timeout = 2s\nhandshake_timeout = 1m\nstarttls = postgres\n"
        "[route in]\nlisten = web\nsni = *.example.com -\nalpn = h2 \"a b\"\ntls = public\n"
        "pool = app\n[route out]\nlisten = web\nsni = x\ntls = off\naction = reject\n"
        "[pool app]\nserver = x.example.com:80 server_name=y.example.com\ntls = public\n"
        "[tls public]\ncert = x.pem\nkey = x.key\ncert_dir = certs\nsni_mismatch = alert\n"
        "ca_file = ca.pem\nverify = optional\nserver_name = z\n"
        "allow_san = dns:a \"uri:spiffe://a/b,c\" ip:::1 cn:x\ncrl_file = crl.pem\n"
        "min_version = 1.3\nmax_version = 1.3\nciphers = ECDHE+AESGCM:!aNULL\n"
        "ciphersuites = TLS_AES_128_GCM_SHA256\ngroups = X25519:P-256\nalpn = h2\n"
        "session_tickets = no\nticket_key_file = a.key b.key\nsession_timeout = 2h\n"
        "ocsp_file = x.ocsp\ntruncation = lenient\nktls = auto\nreload_interval = off\n");
}

static void test_included_files_are_merged(void **state)
{
    (void)state;
    write_file("more.ini", "[listen web]\nbacklog = 7\n");
    expect_fixed_point("[culvert]\ninclude = more.ini\n" MINIMAL "backlog = 9\n");
    struct config *config = load_good("[culvert]\ninclude = more.ini\n" MINIMAL);
    char *dump = dump_of(config, CONFIG_DUMP_SET);
    assert_string_equal(dump, "[culvert]\n\n"
                              "[listen web]\n"
                              "bind = 127.0.0.1:0  # culvert.ini:4\n"
                              "server = 127.0.0.1:9  # culvert.ini:5\n"
                              "backlog = 7  # more.ini:2\n\n");
    free(dump);
    config_destroy(config);
}

static void test_all_shows_every_key_with_its_origin(void **state)
{
    struct config *config = load_good("[defaults]\nidle_timeout = 5s\n" MINIMAL "backlog = 9\n");
    char *dump = dump_of(config, CONFIG_DUMP_ALL);

    (void)state;
    assert_non_null(strstr(dump, "\nidle_timeout = 5s  # culvert.ini:2 [defaults]\n"));
    assert_non_null(strstr(dump, "\nbacklog = 9  # culvert.ini:6\n"));
    assert_non_null(strstr(dump, "\nsplice = auto  # default\n"));
    assert_non_null(strstr(dump, "\n# pid_file is not set\n"));
    assert_non_null(strstr(dump, "\n# name is not set: host name\n"));
    assert_non_null(strstr(dump, "[metrics]\n"));
    assert_non_null(strstr(dump, "\n# sni_map is not set\n"));
    assert_null(strstr(dump, "fast_open"));
    free(dump);
    config_destroy(config);
}

static void test_changed_leaves_out_what_is_the_default_anyway(void **state)
{
    struct config *config = load_good("[defaults]\nidle_timeout = 5s\nstall_timeout = 1m\n" MINIMAL
                                      "idle_timeout = 1h\nsplice = auto\nkeepalive = 1m\n"
                                      "lifetime_jitter = 20%\n");
    char *dump = dump_of(config, CONFIG_DUMP_CHANGED);

    (void)state;
    /* idle_timeout = 1h is the built-in default, but not what [defaults] says. */
    assert_string_equal(dump, "[defaults]\nidle_timeout = 5s  # culvert.ini:2\n\n"
                              "[listen web]\nbind = 127.0.0.1:0  # culvert.ini:5\n"
                              "server = 127.0.0.1:9  # culvert.ini:6\n"
                              "idle_timeout = 1h  # culvert.ini:7\n"
                              "lifetime_jitter = 20%  # culvert.ini:10\n\n");
    free(dump);
    config_destroy(config);
}

static void test_overrides_are_named(void **state)
{
    static const char *const override = "log.level=debug";
    const char *file = "culvert.ini";
    struct config_sources sources = {
        .files = &file, .file_count = 1, .overrides = &override, .override_count = 1};

    (void)state;
    write_file("culvert.ini", MINIMAL);
    struct config *config = config_load(&sources, false);
    char *dump = dump_of(config, CONFIG_DUMP_SET);
    assert_non_null(strstr(dump, "[log]\nlevel = debug  # -s:1\n"));
    free(dump);
    config_destroy(config);
}

static void test_a_file_name_cannot_add_a_line(void **state)
{
    (void)state;
    write_file("a\nuser = root\n.ini", MINIMAL);
    struct config *config = load_file("a\nuser = root\n.ini");
    char *dump = dump_of(config, CONFIG_DUMP_SET);
    assert_null(strstr(dump, "\nuser"));
    free(dump);
    config_destroy(config);
}

static void test_json_has_types_and_origins(void **state)
{
    struct config *config =
        load_good("[culvert]\nworkers = 2\n" MINIMAL "nodelay = off\nidle_timeout = 5s\n");
    char *dump = dump_of(config, CONFIG_DUMP_JSON);
    json_t *root = json_loads(dump, 0, NULL);
    json_t *web = json_object_get(json_object_get(root, "listen"), "web");
    json_t *workers = json_object_get(json_object_get(root, "culvert"), "workers");

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(workers, "value")), 2);
    assert_string_equal(json_string_value(json_object_get(workers, "origin")), "culvert.ini:2");
    assert_true(json_is_false(json_object_get(json_object_get(web, "nodelay"), "value")));
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(web, "idle_timeout"), "value")), "5s");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(web, "stall_timeout"), "origin")),
        "default");
    json_t *bind = json_object_get(json_object_get(web, "bind"), "value");
    assert_string_equal(json_string_value(json_array_get(bind, 0)), "127.0.0.1:0");
    json_decref(root);
    free(dump);
    config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dumps_load_to_the_same),
        cmocka_unit_test(test_included_files_are_merged),
        cmocka_unit_test(test_all_shows_every_key_with_its_origin),
        cmocka_unit_test(test_changed_leaves_out_what_is_the_default_anyway),
        cmocka_unit_test(test_overrides_are_named),
        cmocka_unit_test(test_a_file_name_cannot_add_a_line),
        cmocka_unit_test(test_json_has_types_and_origins),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
