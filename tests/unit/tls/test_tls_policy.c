/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_policy.c - copies, refusals, and what a policy's digest covers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "tls/tls_fixture.h"
#include "tls/tls_policy.h"

static void test_all_text_is_copied(void **state)
{
    char name[] = "name";
    char protocol[] = "h2";
    const char *const alpn[] = {protocol, "http/1.1", NULL};
    struct tls_options options = fixture_options(TLS_CLIENT);
    struct tls_policy policy;
    struct error error = {0};

    (void)state;
    options.name = name;
    options.alpn = alpn;
    assert_true(tls_policy_init(&policy, &options, TLS_CLIENT, &error));
    memset(name, 'x', 4);
    memset(protocol, 'x', 2);
    assert_string_equal(policy.options.name, "name");
    assert_string_equal(policy.options.alpn[0], "h2");
    assert_int_equal(policy.alpn_size, 12);
    assert_memory_equal(policy.alpn, "\002h2\010http/1.1", 12);
    tls_policy_release(&policy);
    assert_null(policy.options.name);
    tls_policy_release(&policy);
}

static void expect_refusal(const struct tls_options *options, enum tls_role role, const char *words)
{
    struct tls_policy policy;
    struct error error = {0};

    assert_false(tls_policy_init(&policy, options, role, &error));
    if (strstr(error.text, words) == NULL)
        fail_msg("'%s' lacks '%s'", error.text, words);
    tls_policy_release(&policy);
}

static void test_options_that_defeat_each_other_are_refused(void **state)
{
    static const char *const patterns[] = {"dns:a.example", NULL};
    static const char *const empty[] = {"", NULL};
    struct tls_options options = fixture_options(TLS_SERVER);

    (void)state;
    expect_refusal(&options, TLS_SERVER, "cert or cert_dir");
    options.key = "key.pem";
    expect_refusal(&options, TLS_CLIENT, "key needs cert");
    options = fixture_options(TLS_CLIENT);
    options.alpn = empty;
    expect_refusal(&options, TLS_CLIENT, "alpn: a name has 1 to 255 bytes");
    options = fixture_options(TLS_CLIENT);
    options.verify = TLS_VERIFY_NONE;
    options.allow_san = patterns;
    expect_refusal(&options, TLS_CLIENT, "allow_san needs verify");
    options.allow_san = NULL;
    options.crl_file = "crl.pem";
    expect_refusal(&options, TLS_CLIENT, "crl_file needs verify");
}

static void digest_of(const struct tls_options *options, const unsigned char *trust,
                      unsigned char digest[32])
{
    struct tls_policy policy;
    struct error error = {0};

    assert_true(tls_policy_init(&policy, options, TLS_CLIENT, &error));
    assert_true(tls_policy_digest(&policy, trust, digest));
    tls_policy_release(&policy);
}

static void test_the_digest_differs_with_name_trust_and_identity(void **state)
{
    static const char *const one[] = {"dns:ab", "dns:c", NULL};
    static const char *const two[] = {"dns:a", "dns:bc", NULL};
    struct tls_options options = fixture_options(TLS_CLIENT);
    const unsigned char trust[2][32] = {{1}, {2}};
    unsigned char digests[7][32];

    (void)state;
    digest_of(&options, trust[0], digests[0]);
    digest_of(&options, trust[1], digests[1]);
    digest_of(&options, NULL, digests[2]);
    options.allow_san = one;
    digest_of(&options, trust[0], digests[3]);
    options.allow_san = two;
    digest_of(&options, trust[0], digests[4]);
    options.allow_san = NULL;
    options.verify = TLS_VERIFY_OPTIONAL;
    digest_of(&options, trust[0], digests[5]);
    options.verify = TLS_VERIFY_REQUIRED;
    options.name = "another";
    digest_of(&options, trust[0], digests[6]);
    for (size_t i = 0; i < ARRAY_LENGTH(digests); i++) {
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(digests[i], digests[j], 32);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_text_is_copied),
        cmocka_unit_test(test_options_that_defeat_each_other_are_refused),
        cmocka_unit_test(test_the_digest_differs_with_name_trust_and_identity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
