/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_staple.c - OCSP responses: whose they are, what they say, and that clients get them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include <openssl/ocsp.h>

#include "tls/tls_fixture.h"
#include "tls/tls_profile.h"
#include "tls/tls_staple.h"

static char folder[PATH_MAX];
static struct fixture_id authority;
static struct fixture_id leaf;
static struct fixture_id other;

static int set_up(void **state)
{
    (void)state;
    fixture_folder(folder);
    authority = fixture_authority("CA");
    leaf = fixture_issue(&authority, (struct fixture_wish){.names = "DNS:a.example"});
    other = fixture_issue(&authority, (struct fixture_wish){.names = "DNS:b.example"});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_id_free(&authority);
    fixture_id_free(&leaf);
    fixture_id_free(&other);
    fixture_folder_remove(folder);
    return 0;
}

/* A response for a certificate, valid to some days from now. */
static const char *write_response(const struct fixture_id *id, int status, int to_days)
{
    const char *path = fixture_path(folder, "ocsp.der");
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *about = OCSP_cert_to_id(NULL, id->certificate, authority.certificate);
    ASN1_TIME *before = X509_gmtime_adj(NULL, -86400 * 9);
    ASN1_TIME *after = X509_gmtime_adj(NULL, 86400L * to_days);
    OCSP_RESPONSE *response;
    unsigned char *bytes = NULL;
    int size;

    assert_non_null(OCSP_basic_add1_status(
        basic, about, status, status == V_OCSP_CERTSTATUS_REVOKED ? 1 : 0, before, before, after));
    assert_int_equal(
        OCSP_basic_sign(basic, authority.certificate, authority.key, EVP_sha256(), NULL, 0), 1);
    response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    size = i2d_OCSP_RESPONSE(response, &bytes);
    assert_true(size > 0);
    fixture_write(path, bytes, (size_t)size);
    OPENSSL_free(bytes);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(about);
    ASN1_TIME_free(before);
    ASN1_TIME_free(after);
    return path;
}

static struct tls_profile *create(const char *ocsp, struct error *error)
{
    struct tls_options options = fixture_options(TLS_SERVER);
    const char *path = fixture_pem(fixture_path(folder, "a.pem"), &leaf, true);

    fixture_append_pem(path, authority.certificate, NULL); /* the issuer, in the chain */
    options.cert = path;
    options.ocsp_file = ocsp;
    return tls_profile_create(&options, TLS_SERVER, 1, error);
}

/* How many bytes a client that asks is sent, -1 for none. */
static long stapled(struct tls_profile *profile)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    struct fixture_link link = fixture_link(client, tls_profile_context(profile, 0)->ssl_ctx);
    const unsigned char *bytes;
    long size;

    SSL_set_tlsext_status_type(link.client, TLSEXT_STATUSTYPE_ocsp);
    assert_true(fixture_shake_hands(&link));
    size = SSL_get_tlsext_status_ocsp_resp(link.client, &bytes);
    fixture_link_free(&link);
    SSL_CTX_free(client);
    return size;
}

static void test_a_good_response_is_sent(void **state)
{
    struct error error = {0};
    struct tls_profile *profile = create(write_response(&leaf, V_OCSP_CERTSTATUS_GOOD, 5), &error);
    struct stat status;

    (void)state;
    assert_non_null(profile);
    assert_string_equal(tls_profile_warning(profile), "");
    stat(fixture_path(folder, "ocsp.der"), &status);
    assert_int_equal(stapled(profile), status.st_size);
    tls_profile_destroy(profile);
}

static void test_a_response_that_says_otherwise_is_sent_with_a_warning(void **state)
{
    struct error error = {0};
    struct tls_profile *profile =
        create(write_response(&leaf, V_OCSP_CERTSTATUS_REVOKED, 5), &error);

    (void)state;
    assert_non_null(profile);
    assert_non_null(strstr(tls_profile_warning(profile), "says that the certificate is revoked"));
    assert_true(stapled(profile) > 0);
    tls_profile_destroy(profile);
}

static void test_a_response_out_of_date_is_not_sent(void **state)
{
    struct error error = {0};
    struct tls_profile *profile = create(write_response(&leaf, V_OCSP_CERTSTATUS_GOOD, -2), &error);

    (void)state;
    assert_non_null(profile);
    assert_non_null(strstr(tls_profile_warning(profile), "out of date"));
    assert_int_equal(stapled(profile), -1);
    tls_profile_destroy(profile);
}

static void test_what_is_no_response_for_the_certificate_is_an_error(void **state)
{
    struct error error = {0};
    const char *path = write_response(&other, V_OCSP_CERTSTATUS_GOOD, 5);
    OCSP_RESPONSE *later = OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL);
    unsigned char *bytes = NULL;
    int size = i2d_OCSP_RESPONSE(later, &bytes);

    (void)state;
    assert_null(create(path, &error));
    assert_non_null(strstr(error.text, "speaks of another certificate"));
    fixture_write(path, bytes, (size_t)size);
    assert_null(create(path, &error));
    assert_non_null(strstr(error.text, "holds no answer but 'trylater'"));
    fixture_write(path, "junk", 4);
    assert_null(create(path, &error));
    assert_non_null(strstr(error.text, "no OCSP response"));
    OPENSSL_free(bytes);
    OCSP_RESPONSE_free(later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_response_is_sent),
        cmocka_unit_test(test_a_response_that_says_otherwise_is_sent_with_a_warning),
        cmocka_unit_test(test_a_response_out_of_date_is_not_sent),
        cmocka_unit_test(test_what_is_no_response_for_the_certificate_is_an_error),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
