/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_trust.c - anchors, revocation lists, and what a store makes of a chain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "tls/tls_fixture.h"
#include "tls/tls_trust.h"

static char folder[PATH_MAX];
static struct fixture_id root;
static struct fixture_id middle;
static struct fixture_id leaf;

static int set_up(void **state)
{
    (void)state;
    fixture_folder(folder);
    root = fixture_authority("Root");
    middle =
        fixture_issue(&root, (struct fixture_wish){.common_name = "Middle", .is_authority = true});
    leaf = fixture_issue(&middle, (struct fixture_wish){.common_name = "leaf"});
    fixture_pem(fixture_path(folder, "root.pem"), &root, false);
    fixture_pem(fixture_path(folder, "middle.pem"), &middle, false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_id_free(&root);
    fixture_id_free(&middle);
    fixture_id_free(&leaf);
    fixture_folder_remove(folder);
    return 0;
}

/* A revocation list of the issuer in PEM; `revoked` may be NULL. */
static const char *write_list(const char *name, const struct fixture_id *issuer,
                              const struct fixture_id *revoked, int to_days)
{
    const char *path = fixture_path(folder, name);
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *before = X509_gmtime_adj(NULL, -86400 * 30);
    ASN1_TIME *after = X509_gmtime_adj(NULL, 86400L * to_days);
    FILE *file = fopen(path, "we");

    X509_CRL_set_version(list, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer->certificate));
    X509_CRL_set1_lastUpdate(list, before);
    X509_CRL_set1_nextUpdate(list, after);
    if (revoked != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();

        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->certificate));
        X509_REVOKED_set_revocationDate(entry, before);
        X509_CRL_add0_revoked(list, entry);
    }
    assert_true(X509_CRL_sign(list, issuer->key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509_CRL(file, list), 1);
    fclose(file);
    ASN1_TIME_free(before);
    ASN1_TIME_free(after);
    X509_CRL_free(list);
    return path;
}

static bool load(struct tls_trust *trust, const char *ca, const char *lists, struct error *error)
{
    return tls_trust_load(trust, ca, false, lists, (int64_t)time(NULL), error);
}

/* The verdict on the leaf, with the middle certificate at hand. */
static int verify(const char *ca, const char *lists)
{
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
    X509_STORE_CTX *verification = X509_STORE_CTX_new();
    STACK_OF(X509) *chain = sk_X509_new_null();
    struct tls_trust trust;
    struct error error = {0};
    int result;

    if (!load(&trust, ca, lists, &error))
        fail_msg("%s", error.text);
    assert_true(tls_trust_apply(&trust, ssl_ctx));
    sk_X509_push(chain, middle.certificate);
    X509_STORE_CTX_init(verification, SSL_CTX_get_cert_store(ssl_ctx), leaf.certificate, chain);
    X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(verification), SSL_CTX_get0_param(ssl_ctx));
    X509_STORE_CTX_set_verify_cb(verification, tls_trust_verify);
    result =
        X509_verify_cert(verification) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(verification);
    X509_STORE_CTX_free(verification);
    sk_X509_free(chain);
    SSL_CTX_free(ssl_ctx);
    tls_trust_release(&trust);
    ERR_clear_error();
    return result;
}

static void test_an_anchor_ends_a_chain_self_signed_or_not(void **state)
{
    const char *stranger = fixture_path(folder, "stranger.pem");
    struct fixture_id other = fixture_authority("Root"); /* the same name, another key */

    (void)state;
    fixture_pem(stranger, &other, false);
    assert_int_equal(verify(fixture_path(folder, "root.pem"), NULL), X509_V_OK);
    assert_int_equal(verify(fixture_path(folder, "middle.pem"), NULL), X509_V_OK);
    assert_int_not_equal(verify(stranger, NULL), X509_V_OK);
    fixture_id_free(&other);
}

static void test_the_peer_must_be_on_record_authorities_only_where_there_is_a_list(void **state)
{
    const char *ca = fixture_path(folder, "root.pem");
    char clean[PATH_MAX];
    char revoking[PATH_MAX];
    char of_root[PATH_MAX];
    char bytes[4096];
    FILE *file;
    size_t size;

    (void)state;
    snprintf(clean, sizeof(clean), "%s", write_list("clean.pem", &middle, NULL, 30));
    snprintf(revoking, sizeof(revoking), "%s", write_list("revoking.pem", &middle, &leaf, 30));
    snprintf(of_root, sizeof(of_root), "%s", write_list("root-list.pem", &root, &middle, 30));
    assert_int_equal(verify(ca, clean), X509_V_OK);
    assert_int_equal(verify(ca, revoking), X509_V_ERR_CERT_REVOKED);
    /* The root's list alone says nothing of the leaf. */
    assert_int_equal(verify(ca, of_root), X509_V_ERR_UNABLE_TO_GET_CRL);
    /* Both: the authority between is revoked, though the leaf is not. */
    file = fopen(of_root, "re");
    size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    file = fopen(clean, "ae");
    fwrite(bytes, 1, size, file);
    fclose(file);
    assert_int_equal(verify(ca, clean), X509_V_ERR_CERT_REVOKED);
}

static void expect_refusal(const char *ca, const char *lists, const char *words)
{
    struct tls_trust trust;
    struct error error = {0};

    assert_false(load(&trust, ca, lists, &error));
    assert_null(trust.anchors);
    if (strstr(error.text, words) == NULL)
        fail_msg("'%s' lacks '%s'", error.text, words);
    assert_int_equal(ERR_peek_error(), 0);
}

/* An empty bundle must not come to mean that anybody is believed. */
static void test_files_without_content_are_refused(void **state)
{
    const char *ca = fixture_path(folder, "root.pem");
    const char *empty = fixture_path(folder, "empty.pem");
    const char *old = write_list("old.pem", &middle, NULL, -1);
    const char *half = write_list("half.pem", &middle, &leaf, 30);
    struct stat status;

    (void)state;
    fixture_write(empty, "\n", 1);
    expect_refusal(empty, NULL, "empty.pem holds no certificate");
    expect_refusal(ca, empty, "empty.pem holds no revocation list");
    expect_refusal(ca, ca, "root.pem holds no revocation list");
    expect_refusal(fixture_path(folder, "absent"), NULL, "No such file");
    expect_refusal(ca, old, "was due for renewal on");
    assert_int_equal(stat(half, &status), 0);
    assert_int_equal(truncate(half, status.st_size - 30), 0);
    expect_refusal(ca, half, "does not parse or is cut short");
}

static void test_another_trust_has_another_digest(void **state)
{
    struct tls_trust one;
    struct tls_trust two;
    struct tls_trust three;
    struct error error = {0};

    (void)state;
    assert_true(load(&one, fixture_path(folder, "root.pem"), NULL, &error));
    assert_true(load(&two, fixture_path(folder, "middle.pem"), NULL, &error));
    assert_true(load(&three, fixture_path(folder, "root.pem"),
                     write_list("list.pem", &middle, NULL, 30), &error));
    assert_memory_not_equal(one.digest, two.digest, sizeof(one.digest));
    assert_memory_not_equal(one.digest, three.digest, sizeof(one.digest));
    tls_trust_release(&one);
    tls_trust_release(&two);
    tls_trust_release(&three);
    tls_trust_release(&three);
}

static void test_the_systems_store_is_a_file_that_may_be_named(void **state)
{
    struct tls_trust trust;
    struct error error = {0};

    (void)state;
    setenv("SSL_CERT_FILE", fixture_path(folder, "root.pem"), 1);
    assert_true(tls_trust_load(&trust, NULL, true, NULL, (int64_t)time(NULL), &error));
    assert_int_equal(sk_X509_num(trust.anchors), 1);
    tls_trust_release(&trust);
    unsetenv("SSL_CERT_FILE");
    if (tls_trust_system_path() == NULL)
        skip();
    assert_true(tls_trust_load(&trust, NULL, true, NULL, (int64_t)time(NULL), &error));
    assert_true(sk_X509_num(trust.anchors) > 50);
    tls_trust_release(&trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_anchor_ends_a_chain_self_signed_or_not),
        cmocka_unit_test(test_the_peer_must_be_on_record_authorities_only_where_there_is_a_list),
        cmocka_unit_test(test_files_without_content_are_refused),
        cmocka_unit_test(test_another_trust_has_another_digest),
        cmocka_unit_test(test_the_systems_store_is_a_file_that_may_be_named),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
