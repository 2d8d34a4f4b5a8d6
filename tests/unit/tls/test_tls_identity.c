/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_identity.c - which certificates the patterns of allow_san admit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/tls_fixture.h"
#include "tls/tls_identity.h"

static struct fixture_id id;

static int set_up(void **state)
{
    (void)state;
    id = fixture_issue(NULL, (struct fixture_wish){
                                 .common_name = "web one",
                                 .names = "DNS:Api.Example.com,URI:spiffe://example.org/ns/prod/sa/"
                                          "web,IP:10.0.0.7,IP:fd00::7,email:a@b.example",
                             });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_id_free(&id);
    return 0;
}

static bool admits(const char *pattern)
{
    const char *const patterns[] = {"dns:nobody.example", pattern, NULL};
    struct error error = {0};
    struct tls_identity *identity = tls_identity_create(patterns, &error);
    bool is_admitted;

    if (identity == NULL)
        fail_msg("%s", error.text);
    is_admitted = tls_identity_admits(identity, id.certificate);
    tls_identity_destroy(identity);
    return is_admitted;
}

static void test_names_admit(void **state)
{
    static const char *const patterns[] = {
        "dns:api.example.com",
        "dns:*.example.com",
        "dns:*.*.com",
        "uri:spiffe://example.org/ns/prod/sa/web",
        "uri:spiffe://example.org/ns/prod/sa/web/",
        "uri:spiffe://example.org/ns/prod/sa/*",
        "uri:spiffe://example.org/ns/*/sa/web",
        "uri:spiffe://*/ns/prod/sa/web",
        "uri:spiffe://example.org/**",
        "ip:10.0.0.7",
        "ip:fd00:0::7",
        "ip:*",
        "cn:web one",
        "cn:*",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(patterns); i++) {
        if (!admits(patterns[i]))
            fail_msg("%s", patterns[i]);
    }
}

static void test_other_names_do_not(void **state)
{
    static const char *const patterns[] = {
        "dns:example.com",
        "dns:*",
        "dns:*.com",
        "dns:*.*.*.com",
        "dns:api.example.com.evil",
        "dns:web one",
        "uri:api.example.com",
        "uri:spiffe://example.org/ns/prod/sa",
        "uri:spiffe://example.org/ns/prod/sa/we",
        "uri:spiffe://example.org/ns/prod/sa/web/*",
        "uri:spiffe://example.org/ns/prod/sa/web/**",
        "uri:spiffe://example.org/*",
        "uri:spiffe://Example.org/ns/prod/sa/web",
        "uri:spiffe://example.org/ns/*/web",
        "ip:10.0.0.8",
        "ip:::ffff:10.0.0.7",
        "cn:web",
        "cn:Web one",
        "cn:api.example.com",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(patterns); i++) {
        if (admits(patterns[i]))
            fail_msg("%s", patterns[i]);
    }
}

static void test_patterns_without_meaning_are_refused(void **state)
{
    static const struct {
        const char *pattern;
        const char *words;
    } cases[] = {
        {"api.example.com", "none of dns: uri: ip: cn:"},
        {"dns:", "names nobody"},
        {"dns:api*.example.com", "whole part"},
        {"dns:**.example.com", "whole part"},
        {"dns:**", "whole part"},
        {"uri:spiffe://a/**/b", "whole part"},
        {"uri:spiffe://a/x*", "whole part"},
        {"uri:spiffe://a/***", "whole part"},
        {"cn:web*", "whole part"},
        {"ip:10.0.0", "no IP address"},
        {"ip:10.0.0.*", "no IP address"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const char *const patterns[] = {cases[i].pattern, NULL};
        struct error error = {0};

        assert_null(tls_identity_create(patterns, &error));
        assert_non_null(strstr(error.text, "allow_san"));
        if (strstr(error.text, cases[i].words) == NULL)
            fail_msg("'%s' lacks '%s'", error.text, cases[i].words);
    }
}

static void test_a_name_with_a_nul_admits_nobody(void **state)
{
    struct fixture_id evil = fixture_issue(NULL, (struct fixture_wish){0});
    GENERAL_NAMES *alternatives = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *string = ASN1_IA5STRING_new();
    const char *const patterns[] = {"dns:good.example", "dns:*.example", "uri:**", NULL};
    struct error error = {0};
    struct tls_identity *identity = tls_identity_create(patterns, &error);
    char text[128];

    (void)state;
    ASN1_STRING_set(string, "good.example\0", 13);
    GENERAL_NAME_set0_value(name, GEN_DNS, string);
    sk_GENERAL_NAME_push(alternatives, name);
    X509_add1_ext_i2d(evil.certificate, NID_subject_alt_name, alternatives, 0, X509V3_ADD_DEFAULT);
    assert_non_null(identity);
    assert_false(tls_identity_admits(identity, evil.certificate));
    tls_identity_describe(evil.certificate, text, sizeof(text));
    assert_string_equal(text, "dns:good.example\\u0000");
    tls_identity_destroy(identity);
    GENERAL_NAMES_free(alternatives);
    fixture_id_free(&evil);
}

static void test_description_names_all_and_is_cut(void **state)
{
    char text[256];
    char small[12];

    (void)state;
    tls_identity_describe(id.certificate, text, sizeof(text));
    assert_string_equal(text, "dns:Api.Example.com uri:spiffe://example.org/ns/prod/sa/web "
                              "ip:10.0.0.7 ip:fd00::7 cn:web one");
    tls_identity_describe(id.certificate, small, sizeof(small));
    assert_string_equal(small, "dns:Api.Exa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_admit),
        cmocka_unit_test(test_other_names_do_not),
        cmocka_unit_test(test_patterns_without_meaning_are_refused),
        cmocka_unit_test(test_a_name_with_a_nul_admits_nobody),
        cmocka_unit_test(test_description_names_all_and_is_cut),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
