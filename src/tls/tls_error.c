/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_error.c - which of OpenSSL's errors says most, and how it is worded.
 */
#include "tls/tls_error.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

/* The libraries below report their part of a failure first, the TLS part says what it means. */
static unsigned long take_most_telling(void)
{
    unsigned long first = 0;
    unsigned long of_tls = 0;
    unsigned long error;

    while ((error = ERR_get_error()) != 0) {
        if (first == 0)
            first = error;
        if (of_tls == 0 && ERR_GET_LIB(error) == ERR_LIB_SSL)
            of_tls = error;
    }
    return of_tls != 0 ? of_tls : first;
}

void tls_error_take(const SSL *ssl, struct text *text)
{
    unsigned long error = take_most_telling();
    const char *words = ERR_reason_error_string(error);
    long verified;

    if (error == 0)
        return;
    if (words != NULL)
        text_append(text, words);
    else
        text_append_format(text, "OpenSSL error %lx", error);
    if (ssl == NULL || ERR_GET_LIB(error) != ERR_LIB_SSL ||
        ERR_GET_REASON(error) != SSL_R_CERTIFICATE_VERIFY_FAILED)
        return;
    verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK)
        text_append_format(text, ": %s", X509_verify_cert_error_string(verified));
}
