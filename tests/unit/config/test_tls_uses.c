/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_uses.c - which profiles a configuration makes, and what is said of files that do not
 * fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tls/tls_fixture.h"
#include "config/config_parts.h"

#define LISTENER "[listen web]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:9\n"

static char folder[PATH_MAX];
static struct fixture_id web;
static struct fixture_id other;

static int set_up(void **state)
{
    struct fixture_id soon =
        fixture_issue(NULL, (struct fixture_wish){.names = "DNS:soon.example", .to_days = 20});
    struct fixture_id late = fixture_issue(
        NULL, (struct fixture_wish){.names = "DNS:late.example", .from_days = -9, .to_days = -1});

    (void)state;
    web = fixture_issue(NULL, (struct fixture_wish){.names = "DNS:web.example"});
    other = fixture_issue(NULL, (struct fixture_wish){.names = "DNS:other.example"});
    assert_int_equal(chdir(fixture_folder(folder)), 0);
    fixture_pem("web.pem", &web, true);
    fixture_pem("other.pem", &other, true);
    fixture_pem("web.crt", &web, false);
    fixture_append_pem("other.key", NULL, other.key);
    fixture_pem("soon.pem", &soon, true);
    fixture_pem("late.pem", &late, true);
    fixture_write("junk.pem", "junk\n", 5);
    assert_int_equal(mkdir("secret", 0700), 0);
    fixture_pem("secret/tls.crt", &web, false);
    fixture_append_pem("secret/tls.key", NULL, web.key);
    fixture_id_free(&soon);
    fixture_id_free(&late);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_id_free(&web);
    fixture_id_free(&other);
    assert_int_equal(chdir("/"), 0);
    fixture_folder_remove(folder);
    return 0;
}

/* The text as culvert.ini, its files loaded. */
static struct config *load(const char *text)
{
    static const char *const name = "culvert.ini";
    struct config_sources sources = {.files = &name, .file_count = 1};

    fixture_write(name, text, strlen(text));
    struct config *config = config_load(&sources, true);
    assert_non_null(config);
    return config;
}

/* What is said of it, each path of the folder shortened to its name; for free(3). */
static char *said_of(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    char *at;

    assert_non_null(out);
    config_print_diagnostics(config, out, false, false, false);
    fclose(out);
    strcat(folder, "/");
    while ((at = strstr(text, folder)) != NULL)
        memmove(at, at + strlen(folder), strlen(at + strlen(folder)) + 1);
    folder[strlen(folder) - 1] = '\0';
    return text;
}

static void expect_said(const char *text, const char *wanted)
{
    struct config *config = load(text);
    char *said = said_of(config);

    if (strstr(said, wanted) == NULL)
        fail_msg("wanted: %s\ngot: %s", wanted, said);
    free(said);
    config_destroy(config);
}

static struct config *load_silent(const char *text)
{
    struct config *config = load(text);
    char *said = said_of(config);

    if (said[0] != '\0')
        fail_msg("%s\n%s", text, said);
    free(said);
    return config;
}

/* A profile without a section has the path as its name. */
static void expect_path(const struct tls_profile *profile, const char *path)
{
    const char *name = tls_profile_name(profile);

    assert_int_equal(strncmp(name, folder, strlen(folder)), 0);
    assert_string_equal(name + strlen(folder) + 1, path);
}

static void test_each_section_once_per_role(void **state)
{
    struct config *config = load_silent(
        LISTENER "tls = public\n[listen b]\nbind = 127.0.0.1:0\npool = p\ntls = web.pem\n"
                 "[listen c]\nbind = 127.0.0.1:0\npool = p\ntls = ./web.pem\n"
                 "[listen off]\nbind = 127.0.0.1:0\npool = p\ntls = late.pem\nenabled = no\n"
                 "[route r]\nlisten = c\nsni = a.example\npool = q\ntls = secret/\n"
                 "[route s]\nlisten = c\nsni = b.example\npool = q\ntls = off\n"
                 "[pool p]\nserver = 127.0.0.1:9\ntls = public\n"
                 "[pool q]\nserver = 127.0.0.1:9\n"
                 "[tls public]\ncert = web.pem\nserver_name = named.example\n");
    struct snapshot *snapshot = config_snapshot(config);
    struct snapshot *again = config_snapshot(config);

    (void)state;
    assert_non_null(snapshot);
    assert_int_equal(snapshot->tls_profile_count, 4);
    const struct tls_profile *public = snapshot->listeners[0].tls;
    assert_string_equal(tls_profile_name(public), "public");
    assert_int_equal(tls_profile_role(public), TLS_SERVER);
    assert_ptr_not_equal(snapshot->listeners[1].tls, public);
    assert_ptr_equal(snapshot->listeners[1].tls, snapshot->listeners[2].tls);
    expect_path(snapshot->listeners[1].tls, "web.pem");
    assert_true(snapshot->routes[0].has_tls);
    expect_path(snapshot->routes[0].tls, "secret/");
    assert_true(snapshot->routes[1].has_tls);
    assert_null(snapshot->routes[1].tls);
    assert_string_equal(tls_profile_name(snapshot->pools[0].options.tls), "public");
    assert_int_equal(tls_profile_role(snapshot->pools[0].options.tls), TLS_CLIENT);
    assert_string_equal(snapshot->pools[0].servers[0]->tls_name, "named.example");
    assert_null(snapshot->pools[1].options.tls);
    /* Another snapshot has profiles of its own. */
    assert_non_null(again);
    assert_ptr_not_equal(again->listeners[0].tls, public);
    config_destroy(config);
    assert_string_equal(tls_profile_name(public), "public");
    snapshot_unref(snapshot);
    snapshot_unref(again);
}

/* By an own profile, or by that of a route, whatever the route looks at. */
static void test_who_terminates_tls(void **state)
{
    static const bool terminates[] = {true, true, false};
    struct config *config =
        load_silent(LISTENER "tls = web.pem\n[listen b]\nbind = 127.0.0.1:0\npool = p\n"
                             "[listen c]\nbind = 127.0.0.1:0\npool = p\n"
                             "[route r]\nlisten = b\nsource = 10.0.0.0/8\npool = p\ntls = web.pem\n"
                             "[route s]\nlisten = c\nsni = b.example\npool = p\n"
                             "[pool p]\nserver = 127.0.0.1:9\n");
    struct snapshot *snapshot = config_snapshot(config);

    (void)state;
    assert_non_null(snapshot);
    for (size_t i = 0; i < ARRAY_LENGTH(terminates); i++)
        assert_int_equal(snapshot->listeners[i].terminates_tls, terminates[i]);
    config_destroy(config);
    snapshot_unref(snapshot);
}

static void test_every_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    expect_said(LISTENER "tls = public\n[tls public]\ncert = none.pem\nca_file = no.pem\n"
                         "verify = required\n",
                "culvert.ini:6:8: error: none.pem cannot be read: No such file or directory\n"
                "    6 | cert = none.pem\n"
                "      |        ^~~~~~~~\n"
                "culvert.ini:7:11: error: no.pem cannot be read: No such file or directory\n");
    expect_said(LISTENER "tls = none.pem\n", "culvert.ini:4:7: error: none.pem ");
    expect_said(LISTENER "tls = ./none\n", "culvert.ini:4:7: error: none ");
}

static void test_files_must_fit_together(void **state)
{
    (void)state;
    expect_said(LISTENER "tls = public\n[tls public]\ncert = web.crt\nkey = other.key\n",
                "error: other.key does not fit web.crt");
    expect_said(LISTENER "tls = public\n[tls public]\ncert = web.crt\n",
                "culvert.ini:6:8: error: web.crt holds no private key");
    expect_said(LISTENER "tls = junk.pem\n", "culvert.ini:4:7: error: junk.pem ");
    expect_said(LISTENER "tls = public\n[tls public]\ncert = web.pem\nca_file = junk.pem\n"
                         "verify = required\n",
                "culvert.ini:7:11: error: junk.pem holds no certificate");
}

static void test_certificates_end(void **state)
{
    struct config *config = load(LISTENER "tls = soon.pem\n");

    (void)state;
    assert_true(config_is_valid(config));
    config_destroy(config);
    expect_said(LISTENER "tls = public\n[tls public]\ncert = soon.pem\n",
                "culvert.ini:6:8: warning: the certificate of soon.example in soon.pem ends in ");
    expect_said(LISTENER "tls = late.pem\n", "culvert.ini:4:7: error: the certificate late.pem "
                                             "expired on ");
}

static void test_openssl_judges_lists(void **state)
{
    (void)state;
    expect_said(LISTENER "tls = public\n[tls public]\ncert = web.pem\ngroups = X25519:nonsense\n",
                "culvert.ini:7:10: error: groups");
    expect_said(LISTENER "tls = public\n[tls public]\ncert = web.pem\nciphers = nonsense\n"
                         "ciphersuites = TLS_AES_128_GCM_SHA256\n",
                "culvert.ini:7:11: error: ciphers");
    expect_said(LISTENER "tls = public\n[tls public]\ncert = web.pem\n"
                         "ciphersuites = nonsense\n",
                "culvert.ini:7:16: error: ciphersuites");
}

static void test_a_section_broken_in_both_roles_is_reported_once(void **state)
{
    (void)state;
    expect_said("[listen web]\nbind = 127.0.0.1:0\npool = p\ntls = public\n"
                "[pool p]\nserver = 127.0.0.1:9\ntls = public\n[tls public]\ncert = junk.pem\n",
                "1 error, 0 warnings; nothing was loaded\n");
}

static void test_without_files_nothing_is_loaded(void **state)
{
    static const char *const name = "culvert.ini";
    struct config_sources sources = {.files = &name, .file_count = 1};
    static const char text[] = LISTENER "tls = none.pem\n";

    (void)state;
    fixture_write(name, text, sizeof(text) - 1);
    struct config *config = config_load(&sources, false);
    assert_true(config_is_valid(config));
    /* Without its certificate no listener may come to be. */
    assert_null(config_snapshot(config));
    config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_section_once_per_role),
        cmocka_unit_test(test_who_terminates_tls),
        cmocka_unit_test(test_every_file_that_is_not_there_is_named),
        cmocka_unit_test(test_files_must_fit_together),
        cmocka_unit_test(test_certificates_end),
        cmocka_unit_test(test_openssl_judges_lists),
        cmocka_unit_test(test_a_section_broken_in_both_roles_is_reported_once),
        cmocka_unit_test(test_without_files_nothing_is_loaded),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
