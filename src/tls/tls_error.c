/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_error.c - which of OpenSSL's errors says most, and how it is worded.
 */
#include "tls/tls_error.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

/*
 * The libraries below report their part of a failure first, the TLS part says what it means. Words
 * of our own (ERR_LIB_USER, raised within a callback) say most; they go to `own`.
 */
static unsigned long take_most_telling(struct text *own, bool *is_ours)
{
    unsigned long first = 0;
    unsigned long of_tls = 0;
    unsigned long error;
    const char *data;
    int flags;

    while ((error = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        *is_ours |= ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE ||
                    ERR_GET_REASON(error) == ERR_R_INTERNAL_ERROR;
        if (first == 0)
            first = error;
        if (of_tls == 0 && ERR_GET_LIB(error) == ERR_LIB_SSL)
            of_tls = error;
        if (ERR_GET_LIB(error) == ERR_LIB_USER && (flags & ERR_TXT_STRING) != 0)
            text_append(own, data);
    }
    return of_tls != 0 ? of_tls : first;
}

bool tls_error_take(const SSL *ssl, struct text *text)
{
    size_t before = text->length;
    bool is_ours = false;
    unsigned long error = take_most_telling(text, &is_ours);
    const char *words = ERR_reason_error_string(error);
    long verified;

    if (error == 0 || text->length > before)
        return is_ours;
    if (words != NULL)
        text_append(text, words);
    else
        text_append_format(text, "OpenSSL error %lx", error);
    if (ssl == NULL || ERR_GET_LIB(error) != ERR_LIB_SSL ||
        ERR_GET_REASON(error) != SSL_R_CERTIFICATE_VERIFY_FAILED)
        return is_ours;
    verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK)
        text_append_format(text, ": %s", X509_verify_cert_error_string(verified));
    return is_ours || verified == X509_V_ERR_OUT_OF_MEM;
}
