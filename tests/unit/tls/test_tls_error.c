/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tls_error.c - which entry of OpenSSL's queue is told, and that none is left.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tls/tls_error.h"

static void assert_takes(const SSL *ssl, const char *words)
{
    char memory[160];
    struct text text = text_over(memory, sizeof(memory));

    assert_false(tls_error_take(ssl, &text));
    assert_string_equal(memory, words);
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_empty_queue_says_nothing(void **state)
{
    (void)state;
    ERR_clear_error();
    assert_takes(NULL, "");
}

static void test_want_of_memory_is_noticed_wherever_it_stands(void **state)
{
    char memory[160];
    struct text text = text_over(memory, sizeof(memory));

    (void)state;
    ERR_clear_error();
    ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
    ERR_raise(ERR_LIB_SSL, ERR_R_EVP_LIB);
    assert_true(tls_error_take(NULL, &text));
    ERR_raise(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE);
    assert_true(tls_error_take(NULL, &text));
    ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR); /* all that many paths say */
    assert_true(tls_error_take(NULL, &text));
    ERR_raise(ERR_LIB_SSL, SSL_R_TLSV1_ALERT_INTERNAL_ERROR); /* the peer's own */
    assert_false(tls_error_take(NULL, &text));
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_first_error_of_tls_is_told(void **state)
{
    (void)state;
    ERR_raise(ERR_LIB_EVP, EVP_R_DECODE_ERROR);
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_KEY_SHARE);
    ERR_raise(ERR_LIB_SSL, SSL_R_LENGTH_MISMATCH);
    assert_takes(NULL, "bad key share");
}

static void test_first_error_is_told_where_none_is_of_tls(void **state)
{
    (void)state;
    ERR_raise(ERR_LIB_EVP, EVP_R_DECODE_ERROR);
    ERR_raise(ERR_LIB_EVP, EVP_R_BAD_DECRYPT);
    assert_takes(NULL, "decode error");
}

static void test_refused_certificate_says_why(void **state)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);

    (void)state;
    SSL_set_verify_result(ssl, X509_V_ERR_CERT_HAS_EXPIRED);
    ERR_raise(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED);
    assert_takes(ssl, "certificate verify failed: certificate has expired");
    ERR_raise(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED);
    assert_takes(NULL, "certificate verify failed");
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_KEY_SHARE);
    assert_takes(ssl, "bad key share");
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_queue_says_nothing),
        cmocka_unit_test(test_want_of_memory_is_noticed_wherever_it_stands),
        cmocka_unit_test(test_first_error_of_tls_is_told),
        cmocka_unit_test(test_first_error_is_told_where_none_is_of_tls),
        cmocka_unit_test(test_refused_certificate_says_why),
    };

    OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL); /* as making an SSL_CTX does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
