/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_material.c - which files a policy means, and that they load as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "tls/tls_fixture.h"
#include "tls/tls_material.h"

static char folder[PATH_MAX];
static struct fixture_id authority;
static struct fixture_id leaf;

static int set_up(void **state)
{
    (void)state;
    fixture_folder(folder);
    authority = fixture_authority("CA");
    leaf = fixture_issue(&authority, (struct fixture_wish){.names = "DNS:a.example"});
    fixture_pem(fixture_path(folder, "tls.crt"), &leaf, false);
    fixture_append_pem(fixture_path(folder, "tls.key"), NULL, leaf.key);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_id_free(&authority);
    fixture_id_free(&leaf);
    fixture_folder_remove(folder);
    return 0;
}

static void init_policy(struct tls_policy *policy, const struct tls_options *options,
                        enum tls_role role)
{
    struct error error = {0};

    if (!tls_policy_init(policy, options, role, &error))
        fail_msg("%s", error.text);
}

/* A secret's ca.crt is the trust of both roles, and nobody's where nobody is verified. */
static void test_a_folders_ca_is_used_where_none_is_named(void **state)
{
    struct tls_options options = fixture_options(TLS_SERVER);
    struct tls_material *material;
    struct tls_policy policy;
    struct error error = {0};
    uint64_t stamp;

    (void)state;
    options.cert = folder;
    options.verify = TLS_VERIFY_REQUIRED;
    init_policy(&policy, &options, TLS_SERVER);
    assert_null(tls_material_load(&policy, (int64_t)time(NULL), &error));
    assert_non_null(strstr(error.text, "verify needs ca_file"));
    stamp = tls_material_stamp(&policy);
    fixture_pem(fixture_path(folder, "ca.crt"), &authority, false);
    assert_int_not_equal(tls_material_stamp(&policy), stamp);
    material = tls_material_load(&policy, (int64_t)time(NULL), &error);
    assert_non_null(material);
    assert_int_equal(sk_X509_num(material->trust.anchors), 1);
    assert_false(material->trust.is_system);
    assert_int_equal(material->credentials.count, 1);
    assert_false(tls_material_has_choice(material));
    tls_material_unref(material);
    /* An empty one is not taken for "trust whom you like". */
    fixture_write(fixture_path(folder, "ca.crt"), "", 0);
    assert_null(tls_material_load(&policy, (int64_t)time(NULL), &error));
    assert_non_null(strstr(error.text, "ca.crt is empty"));
    tls_policy_release(&policy);

    options.verify = TLS_VERIFY_NONE;
    init_policy(&policy, &options, TLS_SERVER);
    material = tls_material_load(&policy, (int64_t)time(NULL), &error);
    assert_non_null(material);
    assert_null(material->trust.anchors);
    tls_material_unref(material);
    tls_policy_release(&policy);
}

static void test_what_will_be_trouble_is_warned_of(void **state)
{
    struct fixture_id early =
        fixture_issue(&authority, (struct fixture_wish){.from_days = 2, .to_days = 9});
    struct tls_options options = fixture_options(TLS_SERVER);
    struct tls_material *material;
    struct tls_policy policy;
    struct error error = {0};

    (void)state;
    options.cert = fixture_pem(fixture_path(folder, "early.pem"), &early, true);
    options.ktls = true;
    init_policy(&policy, &options, TLS_SERVER);
    material = tls_material_load(&policy, (int64_t)time(NULL), &error);
    assert_non_null(material);
    assert_non_null(strstr(material->warning, "early.pem is not valid before 2"));
    assert_non_null(strstr(material->warning, "; ktls: "));
    tls_material_unref(material);
    tls_policy_release(&policy);
    fixture_id_free(&early);
}

static void test_every_file_is_part_of_the_stamp(void **state)
{
    static const char *const names[] = {"c.pem", "k.pem", "ca.pem", "crl.pem", "ocsp", "ticket"};
    char paths[ARRAY_LENGTH(names)][PATH_MAX];
    struct tls_options options = fixture_options(TLS_SERVER);
    const char *const tickets[] = {paths[5], NULL};
    struct tls_policy policy;
    uint64_t stamp;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        memcpy(paths[i], fixture_path(folder, names[i]), PATH_MAX);
    options.cert = paths[0];
    options.key = paths[1];
    options.verify = TLS_VERIFY_REQUIRED;
    options.ca_file = paths[2];
    options.crl_file = paths[3];
    options.ocsp_file = paths[4];
    options.ticket_key_files = tickets;
    options.cert_dir = folder;
    init_policy(&policy, &options, TLS_SERVER);
    stamp = tls_material_stamp(&policy);
    assert_int_equal(tls_material_stamp(&policy), stamp);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        uint64_t before = stamp;

        fixture_write(paths[i], "1", 1);
        stamp = tls_material_stamp(&policy);
        assert_int_not_equal(stamp, before);
    }
    tls_policy_release(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_folders_ca_is_used_where_none_is_named, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_will_be_trouble_is_warned_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_file_is_part_of_the_stamp, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
