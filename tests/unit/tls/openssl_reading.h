/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openssl_reading.h - how an OpenSSL server reads the first bytes of a connection, beside how
 * client_hello_read() does, and where the two may differ.
 */
#ifndef CULVERT_TESTS_OPENSSL_READING_H
#define CULVERT_TESTS_OPENSSL_READING_H

#include <assert.h>
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/client_hello.h"

struct openssl_reading {
    bool saw_hello;      /* a ClientHello, its extensions told apart */
    bool saw_extensions; /* all that OpenSSL knows are read, and right */
    bool wants_more;
    bool has_name;
    char name[300];
    char error[120]; /* why it refuses; "" when it does not */
};

static inline int openssl_note_hello(SSL *ssl, int *alert, void *argument)
{
    (void)alert;
    (void)argument;
    ((struct openssl_reading *)SSL_get_app_data(ssl))->saw_hello = true;
    return SSL_CLIENT_HELLO_SUCCESS;
}

static inline int openssl_note_extensions(SSL *ssl, int *alert, void *argument)
{
    (void)alert;
    (void)argument;
    ((struct openssl_reading *)SSL_get_app_data(ssl))->saw_extensions = true;
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* all is known: no need to go on */
}

static inline SSL_CTX *openssl_reader_create(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    assert(context != NULL);
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, 0);
    assert(SSL_CTX_set_cipher_list(context, "ALL:COMPLEMENTOFALL") == 1);
    SSL_CTX_set_client_hello_cb(context, openssl_note_hello, NULL);
    SSL_CTX_set_tlsext_servername_callback(context, openssl_note_extensions);
    return context;
}

static inline struct openssl_reading openssl_read(SSL_CTX *context, const unsigned char *bytes,
                                                  size_t size)
{
    struct openssl_reading reading = {.saw_hello = false};
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new_mem_buf(bytes, (int)size);
    BIO *out = BIO_new(BIO_s_null());
    const char *name;
    int result;

    assert(ssl != NULL && in != NULL && out != NULL);
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_app_data(ssl, &reading);
    ERR_clear_error();
    result = SSL_accept(ssl);
    assert(result != 1);
    reading.wants_more = SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ;
    if (!reading.wants_more)
        snprintf(reading.error, sizeof(reading.error), "%s",
                 ERR_reason_error_string(ERR_peek_error()));
    name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    reading.has_name = name != NULL;
    if (name != NULL)
        snprintf(reading.name, sizeof(reading.name), "%s", name);
    ERR_clear_error();
    SSL_free(ssl);
    return reading;
}

/* Whether the names are the same but for case and one trailing dot. */
static inline bool is_same_name(const char *name, const char *openssl_name)
{
    size_t length = strlen(openssl_name);

    if (length > 0 && openssl_name[length - 1] == '.')
        length--;
    if (strlen(name) != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (name[i] != tolower((unsigned char)openssl_name[i]))
            return false;
    }
    return true;
}

/* Agreed: what culvert refuses and OpenSSL reads. */
static inline bool is_stricter(const char *detail)
{
    static const char *const agreed[] = {
        "a byte that no name has",
        "an extension twice",
        "a TLS record is empty",
        "ClientHello is longer than",
        "more than 65536 bytes of records",
        "an SSLv2 hello",
    };

    for (size_t i = 0; i < sizeof(agreed) / sizeof(agreed[0]); i++) {
        if (strstr(detail, agreed[i]) != NULL)
            return true;
    }
    return false;
}

/* How many bytes are missing from the last record: culvert does not wait for them. */
static inline size_t missing_bytes(const unsigned char *bytes, size_t size)
{
    size_t at = 0;

    while (at + 5 <= size)
        at += 5 + ((size_t)bytes[at + 3] << 8 | bytes[at + 4]);
    return at > size ? at - size : at == size ? 0 : at + 5 - size;
}

/* What the records hold, without their headers; at most `size` bytes. */
static inline size_t join_records(const unsigned char *bytes, size_t size, unsigned char *joined)
{
    size_t at = 0;
    size_t length = 0;

    while (at + 5 <= size) {
        size_t here = (size_t)bytes[at + 3] << 8 | bytes[at + 4];

        at += 5;
        here = here < size - at ? here : size - at;
        memcpy(joined + length, bytes + at, here);
        length += here;
        at += here;
    }
    return length;
}

/* Types that OpenSSL knows, but not in a ClientHello over TLS: use_srtp is for DTLS, and a
   work-around for another library's bug is for servers. */
static inline bool has_foreign_type(const unsigned char *bytes, size_t size)
{
    unsigned char *joined = malloc(size);
    size_t length;
    bool has;

    assert(joined != NULL);
    length = join_records(bytes, size, joined);
    has = memmem(joined, length, "\x00\x0e", 2) != NULL ||
          memmem(joined, length, "\xfd\xe8", 2) != NULL;
    free(joined);
    return has;
}

/* NULL when both agree, or differ where it was agreed; else what is not as it should be. */
static inline const char *compare_with_openssl(SSL_CTX *context, const unsigned char *bytes,
                                               size_t size)
{
    struct openssl_reading theirs = openssl_read(context, bytes, size);
    struct client_hello ours;

    switch (client_hello_read(bytes, size, &ours)) {
    case CLIENT_HELLO_WHOLE:
        if (theirs.wants_more && !theirs.saw_hello) {
            size_t missing = missing_bytes(bytes, size);
            unsigned char *filled;

            if (missing == 0)
                return "whole, but OpenSSL wants more";
            filled = calloc(1, size + missing);
            assert(filled != NULL);
            memcpy(filled, bytes, size);
            theirs = openssl_read(context, filled, size + missing);
            free(filled);
        }
        if (!theirs.saw_hello && strcmp(theirs.error, "bad extension") == 0 &&
            has_foreign_type(bytes, size))
            return NULL;
        if (!theirs.saw_hello)
            return "whole, but OpenSSL refuses it";
        if (theirs.has_name && !is_same_name(ours.name, theirs.name))
            return "OpenSSL reads another name";
        if (theirs.saw_extensions && !theirs.has_name && ours.name[0] != '\0')
            return "OpenSSL reads no name";
        return NULL;
    case CLIENT_HELLO_PARTIAL:
        /* Words of other protocols are waited for to the end. */
        return theirs.wants_more || bytes[0] != 0x16 ? NULL : "partial, but OpenSSL has read all";
    case CLIENT_HELLO_NOT_TLS:
        return !theirs.saw_hello || is_stricter(ours.detail) ? NULL
                                                             : "no TLS, but OpenSSL reads it";
    case CLIENT_HELLO_BROKEN:
    case CLIENT_HELLO_TOO_LARGE:
        return !theirs.saw_extensions || is_stricter(ours.detail) ? NULL
                                                                  : "refused, but OpenSSL reads it";
    }
    return "no verdict";
}

#endif
