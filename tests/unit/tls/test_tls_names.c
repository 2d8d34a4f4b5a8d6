/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_names.c - exact names, wildcards, kinds of keys, and ten thousand of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/clock.h"
#include "tls/tls_fixture.h"
#include "tls/tls_names.h"

#define MANY 10000

/* A list that borrows certificates; names need no chain. */
struct loose_list {
    struct tls_credential items[8];
    struct tls_credentials credentials;
};

static void list_add(struct loose_list *list, const struct fixture_id *id, enum tls_key_type type,
                     const char *file)
{
    list->credentials.items = list->items;
    list->items[list->credentials.count++] =
        (struct tls_credential){.leaf = id->certificate, .key_type = type, .file = file};
}

static unsigned find(const struct tls_names *names, const char *name, enum tls_key_type type)
{
    const struct tls_choice *choice = tls_names_find(names, name);

    return choice == NULL ? 0 : choice->by_type[type];
}

static void test_exact_names_come_before_wildcards(void **state)
{
    struct fixture_id wide =
        fixture_issue(NULL, (struct fixture_wish){.names = "DNS:*.example.com,DNS:example.com"});
    struct fixture_id exact =
        fixture_issue(NULL, (struct fixture_wish){.names = "DNS:WWW.Example.com"});
    struct loose_list list = {0};
    struct tls_names names;

    (void)state;
    list_add(&list, &wide, TLS_KEY_EC, "1");
    list_add(&list, &exact, TLS_KEY_EC, "2");
    assert_true(tls_names_build(&names, &list.credentials));
    assert_int_equal(names.name_count, 3);
    assert_int_equal(find(&names, "www.example.com", TLS_KEY_EC), 2);
    assert_int_equal(find(&names, "WWW.EXAMPLE.COM.", TLS_KEY_EC), 2);
    assert_int_equal(find(&names, "other.example.com", TLS_KEY_EC), 1);
    assert_int_equal(find(&names, "example.com", TLS_KEY_EC), 1);
    /* One label, not two and not none. */
    assert_null(tls_names_find(&names, "a.b.example.com"));
    assert_null(tls_names_find(&names, ".example.com"));
    assert_null(tls_names_find(&names, "com"));
    assert_null(tls_names_find(&names, ""));
    assert_null(tls_names_find(&names, "."));
    assert_null(tls_names_find(&names, "www.example.org"));
    assert_null(tls_names_find(&names, "www.example.com\n"));
    tls_names_release(&names);
    fixture_id_free(&wide);
    fixture_id_free(&exact);
}

static void test_each_kind_of_key_is_kept_and_the_first_certificate_wins(void **state)
{
    struct fixture_id id = fixture_issue(NULL, (struct fixture_wish){.names = "DNS:a.example"});
    struct loose_list list = {0};
    struct tls_names names;
    struct tls_choice fallback;

    (void)state;
    list_add(&list, &id, TLS_KEY_EC, "1");
    list_add(&list, &id, TLS_KEY_RSA, "2");
    list_add(&list, &id, TLS_KEY_RSA, "3");
    assert_true(tls_names_build(&names, &list.credentials));
    assert_int_equal(find(&names, "a.example", TLS_KEY_EC), 1);
    assert_int_equal(find(&names, "a.example", TLS_KEY_RSA), 2);
    assert_int_equal(find(&names, "a.example", TLS_KEY_OTHER), 0);
    /* The default is the first file's, and what shares its name for the other kind. */
    fallback = tls_names_default(&names, &list.credentials);
    assert_int_equal(fallback.by_type[TLS_KEY_EC], 1);
    assert_int_equal(fallback.by_type[TLS_KEY_RSA], 2);
    tls_names_release(&names);
    fixture_id_free(&id);
}

static void test_the_common_name_counts_only_without_dns_names(void **state)
{
    struct fixture_id old =
        fixture_issue(NULL, (struct fixture_wish){.common_name = "old.example"});
    struct fixture_id new = fixture_issue(
        NULL, (struct fixture_wish){.common_name = "cn.example", .names = "DNS:san.example"});
    struct loose_list list = {0};
    struct tls_names names;

    (void)state;
    list_add(&list, &old, TLS_KEY_EC, "1");
    list_add(&list, &new, TLS_KEY_EC, "2");
    assert_true(tls_names_build(&names, &list.credentials));
    assert_int_equal(find(&names, "old.example", TLS_KEY_EC), 1);
    assert_int_equal(find(&names, "san.example", TLS_KEY_EC), 2);
    assert_null(tls_names_find(&names, "cn.example"));
    tls_names_release(&names);
    fixture_id_free(&old);
    fixture_id_free(&new);
}

/* A name with a NUL: "good.example\0.evil.example" must not become "good.example". */
static void test_a_name_with_a_nul_is_no_name(void **state)
{
    struct fixture_id id = fixture_issue(NULL, (struct fixture_wish){0});
    GENERAL_NAMES *alternatives = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *string = ASN1_IA5STRING_new();
    struct loose_list list = {0};
    struct tls_names names;

    (void)state;
    ASN1_STRING_set(string, "good.example\0.evil.example", 26);
    GENERAL_NAME_set0_value(name, GEN_DNS, string);
    sk_GENERAL_NAME_push(alternatives, name);
    assert_int_equal(X509_add1_ext_i2d(id.certificate, NID_subject_alt_name, alternatives, 0,
                                       X509V3_ADD_DEFAULT),
                     1);
    list_add(&list, &id, TLS_KEY_EC, "1");
    assert_true(tls_names_build(&names, &list.credentials));
    assert_int_equal(names.name_count, 0);
    assert_null(tls_names_find(&names, "good.example"));
    tls_names_release(&names);
    GENERAL_NAMES_free(alternatives);
    fixture_id_free(&id);
}

static void test_ten_thousand_names_are_found_each(void **state)
{
    struct fixture_id id = fixture_issue(NULL, (struct fixture_wish){0});
    GENERAL_NAMES *alternatives = sk_GENERAL_NAME_new_null();
    struct loose_list list = {0};
    struct tls_names names;
    int64_t start_us;
    int64_t small_us;
    char text[64];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *string = ASN1_IA5STRING_new();

        snprintf(text, sizeof(text), "%sname-%d.example", i % 10 == 0 ? "*." : "", i);
        ASN1_STRING_set(string, text, -1);
        GENERAL_NAME_set0_value(name, GEN_DNS, string);
        sk_GENERAL_NAME_push(alternatives, name);
    }
    assert_int_equal(X509_add1_ext_i2d(id.certificate, NID_subject_alt_name, alternatives, 0,
                                       X509V3_ADD_DEFAULT),
                     1);
    list_add(&list, &id, TLS_KEY_EC, "1");
    start_us = clock_now_us();
    assert_true(tls_names_build(&names, &list.credentials));
    small_us = clock_now_us() - start_us;
    assert_int_equal(names.name_count, MANY);
    /* A scan of all slots per look-up would take 10^8 steps here. */
    start_us = clock_now_us();
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "%sname-%d.example", i % 10 == 0 ? "x." : "", i);
        assert_int_equal(find(&names, text, TLS_KEY_EC), 1);
        snprintf(text, sizeof(text), "no-%d.example", i);
        assert_null(tls_names_find(&names, text));
    }
    print_message("built in %lld us, %d look-ups in %lld us\n", (long long)small_us, 2 * MANY,
                  (long long)(clock_now_us() - start_us));
    tls_names_release(&names);
    GENERAL_NAMES_free(alternatives);
    fixture_id_free(&id);
}

static void test_an_empty_index_finds_nothing(void **state)
{
    struct tls_names names = {0};
    struct tls_credentials credentials = {0};

    (void)state;
    assert_null(tls_names_find(&names, "a.example"));
    assert_int_equal(tls_names_default(&names, &credentials).by_type[TLS_KEY_EC], 0);
    tls_names_release(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_names_come_before_wildcards),
        cmocka_unit_test(test_each_kind_of_key_is_kept_and_the_first_certificate_wins),
        cmocka_unit_test(test_the_common_name_counts_only_without_dns_names),
        cmocka_unit_test(test_a_name_with_a_nul_is_no_name),
        cmocka_unit_test(test_ten_thousand_names_are_found_each),
        cmocka_unit_test(test_an_empty_index_finds_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
