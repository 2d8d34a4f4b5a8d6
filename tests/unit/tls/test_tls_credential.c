/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_credential.c - what PEM files may hold, and how a bad one is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "tls/tls_credential.h"
#include "tls/tls_fixture.h"

static struct fixture_id authority;
static struct fixture_id ecdsa;
static struct fixture_id rsa;

static int set_up_all(void **state)
{
    (void)state;
    authority = fixture_authority("Test CA");
    ecdsa = fixture_issue(&authority, (struct fixture_wish){.names = "DNS:ec.example"});
    rsa = fixture_issue(&authority, (struct fixture_wish){.common_name = "rsa", .is_rsa = true});
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    fixture_id_free(&authority);
    fixture_id_free(&ecdsa);
    fixture_id_free(&rsa);
    return 0;
}

static void expect_refusal(const char *cert, const char *key, const char *words)
{
    struct tls_credentials list = {0};
    struct error error = {0};

    assert_false(tls_credentials_load(&list, cert, key, (int64_t)time(NULL), &error));
    if (strstr(error.text, words) == NULL)
        fail_msg("'%s' lacks '%s'", error.text, words);
    tls_credentials_release(&list);
    assert_int_equal(ERR_peek_error(), 0);
}

static void expect_loaded(struct tls_credentials *list, const char *cert, const char *key)
{
    struct error error = {0};

    if (!tls_credentials_load(list, cert, key, (int64_t)time(NULL), &error))
        fail_msg("%s", error.text);
}

static void test_chain_and_key_in_one_file(void **state)
{
    const char *path = fixture_pem(fixture_path(fixture_here, "a.pem"), &ecdsa, true);
    struct tls_credentials list = {0};
    char subject[128];

    (void)state;
    fixture_append_pem(path, authority.certificate, NULL);
    expect_loaded(&list, path, NULL);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].key_type, TLS_KEY_EC);
    assert_int_equal(sk_X509_num(list.items[0].chain), 1);
    assert_string_equal(list.items[0].file, path);
    assert_true(list.items[0].not_after_s > (int64_t)time(NULL) + 300 * 86400);
    tls_credential_subject(&list.items[0], subject, sizeof(subject));
    assert_string_equal(subject, "ec.example");
    tls_credentials_release(&list);
}

static void test_chain_and_key_in_two_files(void **state)
{
    const char *cert = fixture_pem(fixture_path(fixture_here, "cert.pem"), &rsa, false);
    const char *key = fixture_path(fixture_here, "key.pem");
    struct tls_credentials list = {0};
    char subject[128];

    (void)state;
    fixture_append_pem(key, NULL, rsa.key);
    expect_loaded(&list, cert, key);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].key_type, TLS_KEY_RSA);
    tls_credential_subject(&list.items[0], subject, sizeof(subject));
    assert_string_equal(subject, "rsa");
    tls_credentials_release(&list);
}

static void test_rsa_and_ecdsa_side_by_side_in_one_file(void **state)
{
    const char *path = fixture_pem(fixture_path(fixture_here, "both.pem"), &rsa, true);
    struct tls_credentials list = {0};

    (void)state;
    fixture_append_pem(path, authority.certificate, NULL);
    fixture_append_pem(path, ecdsa.certificate, ecdsa.key);
    fixture_append_pem(path, authority.certificate, NULL);
    expect_loaded(&list, path, NULL);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.items[0].key_type, TLS_KEY_RSA);
    assert_int_equal(list.items[1].key_type, TLS_KEY_EC);
    assert_int_equal(sk_X509_num(list.items[0].chain), 1);
    assert_int_equal(sk_X509_num(list.items[1].chain), 1);
    tls_credentials_release(&list);
}

static void test_a_bad_file_is_named_with_the_reason(void **state)
{
    const char *cert = fixture_pem(fixture_path(fixture_here, "cert.pem"), &rsa, false);
    const char *key = fixture_path(fixture_here, "key.pem");
    char words[2 * PATH_MAX + 32];

    (void)state;
    fixture_append_pem(key, NULL, ecdsa.key);
    snprintf(words, sizeof(words), "%s does not fit %s", key, cert);
    expect_refusal(cert, key, words);
    expect_refusal(cert, NULL, "cert.pem holds no private key");
    expect_refusal(key, NULL, "key.pem holds no certificate");
    expect_refusal(cert, fixture_path(fixture_here, "absent"),
                   "absent cannot be opened: No such file");
    fixture_write(fixture_path(fixture_here, "junk"), "hello\n", 6);
    expect_refusal(fixture_path(fixture_here, "junk"), NULL, "junk holds no certificate");

    fixture_append_pem(key, NULL, rsa.key);
    expect_refusal(cert, key, "key.pem holds a key that fits no certificate");

    fixture_pem(cert, &authority, false);
    fixture_append_pem(cert, rsa.certificate, rsa.key);
    expect_refusal(cert, NULL, "certificate 2 is the one that the key fits; it must come first");
}

static void test_a_half_written_file_is_refused_wherever_it_ends(void **state)
{
    const char *whole = fixture_pem(fixture_path(fixture_here, "whole"), &ecdsa, true);
    const char *part = fixture_path(fixture_here, "part");
    char bytes[8192];
    int fd = open(whole, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, bytes, sizeof(bytes));

    (void)state;
    close(fd);
    assert_true(size > 500);
    for (ssize_t cut = 1; cut < size - 1; cut += 7) {
        struct tls_credentials list = {0};
        struct error error = {0};

        fixture_write(part, bytes, (size_t)cut);
        assert_false(tls_credentials_load(&list, part, NULL, (int64_t)time(NULL), &error));
        assert_non_null(strstr(error.text, "part"));
        tls_credentials_release(&list);
    }
    fixture_write(part, bytes, (size_t)size - 40);
    expect_refusal(part, NULL, "a PEM block is broken or cut short");
}

static void test_an_encrypted_key_is_told_apart_from_a_broken_one(void **state)
{
    const char *path = fixture_pem(fixture_path(fixture_here, "a.pem"), &ecdsa, false);
    FILE *file = fopen(path, "ae");

    (void)state;
    assert_int_equal(
        PEM_write_PKCS8PrivateKey(file, ecdsa.key, EVP_aes_128_cbc(), "word", 4, NULL, NULL), 1);
    fclose(file);
    expect_refusal(path, NULL, "the key is encrypted");
}

static void test_an_expired_certificate_is_refused_with_the_day(void **state)
{
    struct fixture_id old =
        fixture_issue(&authority, (struct fixture_wish){.from_days = -10, .to_days = -2});
    const char *path = fixture_pem(fixture_path(fixture_here, "old.pem"), &old, true);
    char day[16];
    char words[PATH_MAX + 64];

    (void)state;
    tls_day_text((int64_t)time(NULL) - 2 * 86400, day);
    snprintf(words, sizeof(words), "the certificate %s expired on %s", path, day);
    expect_refusal(path, NULL, words);
    fixture_id_free(&old);
}

static void test_a_folder_is_loaded_in_byte_order_with_keys_beside(void **state)
{
    struct tls_credentials list = {0};
    struct error error = {0};

    (void)state;
    assert_false(tls_credentials_load_folder(&list, fixture_here, 0, &error));
    assert_non_null(strstr(error.text, "holds no *.pem file"));
    fixture_pem(fixture_path(fixture_here, "b.pem"), &ecdsa, true);
    fixture_pem(fixture_path(fixture_here, "a.pem"), &rsa, false);
    fixture_append_pem(fixture_path(fixture_here, "a.key"), NULL, rsa.key);
    assert_true(tls_credentials_load_folder(&list, fixture_here, 0, &error));
    assert_int_equal(list.count, 2);
    assert_int_equal(list.items[0].key_type, TLS_KEY_RSA);
    assert_int_equal(list.items[1].key_type, TLS_KEY_EC);
    tls_credentials_release(&list);

    fixture_pem(fixture_path(fixture_here, "c.pem"), &rsa, false);
    assert_false(tls_credentials_load_folder(&list, fixture_here, 0, &error));
    assert_non_null(strstr(error.text, "c.pem holds no private key"));
    tls_credentials_release(&list);
}

static void test_a_bundle_needs_a_certificate(void **state)
{
    const char *path = fixture_pem(fixture_path(fixture_here, "ca.pem"), &authority, false);
    STACK_OF(X509) *bundle = sk_X509_new_null();
    struct error error = {0};

    (void)state;
    fixture_append_pem(path, rsa.certificate, NULL);
    assert_true(tls_bundle_load(bundle, path, &error));
    assert_int_equal(sk_X509_num(bundle), 2);
    fixture_write(path, "no PEM\n", 7);
    assert_false(tls_bundle_load(bundle, path, &error));
    assert_non_null(strstr(error.text, "ca.pem holds no certificate"));
    sk_X509_pop_free(bundle, X509_free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chain_and_key_in_one_file, fixture_enter_folder,
                                        fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_chain_and_key_in_two_files, fixture_enter_folder,
                                        fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_rsa_and_ecdsa_side_by_side_in_one_file,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_a_bad_file_is_named_with_the_reason,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_a_half_written_file_is_refused_wherever_it_ends,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_an_encrypted_key_is_told_apart_from_a_broken_one,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_an_expired_certificate_is_refused_with_the_day,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_a_folder_is_loaded_in_byte_order_with_keys_beside,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_a_bundle_needs_a_certificate, fixture_enter_folder,
                                        fixture_leave_folder),
    };

    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
