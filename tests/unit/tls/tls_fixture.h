/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_fixture.h - certificates made on the spot, PEM files of them, and two TLS ends joined in
 * memory. Everything asserts: a fixture that cannot be had fails the test.
 *
 * Include the headers of cmocka first.
 */
#ifndef CULVERT_TESTS_TLS_FIXTURE_H
#define CULVERT_TESTS_TLS_FIXTURE_H

#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/folder_fixture.h"
#include "core/text.h"
#include "tls/tls_error.h"
#include "tls/tls_internal.h"

/* ---- options ----------------------------------------------------------------------------------
 */

/* What the configuration has without a word from the user, in the given role. */
FIXTURE struct tls_options fixture_options(enum tls_role role)
{
    return (struct tls_options){
        .name = "test",
        .verify = role == TLS_SERVER ? TLS_VERIFY_NONE : TLS_VERIFY_REQUIRED,
        .min_version = TLS_VERSION_1_2,
        .max_version = TLS_VERSION_1_3,
        .session_tickets = true,
        .session_timeout_ms = 3600 * 1000,
        .reload_interval_ms = 60 * 1000,
    };
}

/* ---- certificates -----------------------------------------------------------------------------
 */

struct fixture_id {
    X509 *certificate;
    EVP_PKEY *key;
};

/* What a certificate shall be; zeroed: an ECDSA leaf, valid from yesterday for a year. */
struct fixture_wish {
    const char *common_name;
    const char *names; /* as OpenSSL writes them: "DNS:a.example,URI:spiffe://x/y,IP:10.0.0.1" */
    bool is_rsa;
    bool is_authority;
    int rsa_bits;  /* 0: 2048 */
    int from_days; /* from now; 0: -1 */
    int to_days;   /* 0: 365 */
};

FIXTURE EVP_PKEY *fixture_key(bool is_rsa, int rsa_bits)
{
    EVP_PKEY *key =
        is_rsa ? EVP_RSA_gen((unsigned)(rsa_bits == 0 ? 2048 : rsa_bits)) : EVP_EC_gen("P-256");

    assert_non_null(key);
    return key;
}

FIXTURE void fixture_extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* Issued by `issuer`, or by itself when that is NULL. */
FIXTURE struct fixture_id fixture_issue(const struct fixture_id *issuer, struct fixture_wish wish)
{
    static long serial = 1000;
    struct fixture_id id = {.certificate = X509_new(),
                            .key = fixture_key(wish.is_rsa, wish.rsa_bits)};
    X509 *by = issuer == NULL ? id.certificate : issuer->certificate;
    X509_NAME *name = X509_get_subject_name(id.certificate);
    const long day = 24 * 60 * 60;

    assert_non_null(id.certificate);
    X509_set_version(id.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(id.certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(id.certificate),
                    day * (wish.from_days == 0 ? -1 : wish.from_days));
    X509_gmtime_adj(X509_getm_notAfter(id.certificate),
                    day * (wish.to_days == 0 ? 365 : wish.to_days));
    if (wish.common_name != NULL)
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                   (const unsigned char *)wish.common_name, -1, -1, 0);
    X509_set_issuer_name(id.certificate, X509_get_subject_name(by));
    X509_set_pubkey(id.certificate, id.key);
    if (wish.is_authority)
        fixture_extend(id.certificate, by, NID_basic_constraints, "critical,CA:TRUE");
    if (wish.names != NULL)
        fixture_extend(id.certificate, by, NID_subject_alt_name, wish.names);
    assert_true(X509_sign(id.certificate, issuer == NULL ? id.key : issuer->key, EVP_sha256()) > 0);
    return id;
}

FIXTURE struct fixture_id fixture_authority(const char *name)
{
    return fixture_issue(NULL, (struct fixture_wish){.common_name = name, .is_authority = true});
}

FIXTURE void fixture_id_free(struct fixture_id *id)
{
    X509_free(id->certificate);
    EVP_PKEY_free(id->key);
    *id = (struct fixture_id){0};
}

/* ---- files ------------------------------------------------------------------------------------
 */

/* Appends to a PEM file: the certificate, the key, or both; NULL is left out. */
FIXTURE void fixture_append_pem(const char *path, X509 *certificate, EVP_PKEY *key)
{
    FILE *file = fopen(path, "ae");

    assert_non_null(file);
    if (certificate != NULL)
        assert_int_equal(PEM_write_X509(file, certificate), 1);
    if (key != NULL)
        assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

/* A fresh PEM file instead of whatever was there. */
FIXTURE const char *fixture_pem(const char *path, const struct fixture_id *id, bool with_key)
{
    unlink(path);
    fixture_append_pem(path, id->certificate, with_key ? id->key : NULL);
    return path;
}

/* ---- two ends ---------------------------------------------------------------------------------
 */

/* Two SSL objects joined in memory, for handshakes without sockets. */
struct fixture_link {
    SSL *client;
    SSL *server;
    char words[256]; /* why the handshake failed, in OpenSSL's words or ours */
};

FIXTURE struct fixture_link fixture_link(SSL_CTX *client, SSL_CTX *server)
{
    struct fixture_link link = {.client = SSL_new(client), .server = SSL_new(server)};
    BIO *client_bio = NULL;
    BIO *server_bio = NULL;

    assert_non_null(link.client);
    assert_non_null(link.server);
    assert_int_equal(BIO_new_bio_pair(&client_bio, 65536, &server_bio, 65536), 1);
    SSL_set_bio(link.client, client_bio, client_bio);
    SSL_set_bio(link.server, server_bio, server_bio);
    SSL_set_connect_state(link.client);
    SSL_set_accept_state(link.server);
    return link;
}

/* One side has failed: keeps the reason, and lets the other one read the alert. Returns false. */
FIXTURE bool fixture_fail(struct fixture_link *link, SSL *failed)
{
    struct text words = text_over(link->words, sizeof(link->words));
    char byte;

    tls_error_take(failed, &words);
    SSL_read(failed == link->client ? link->server : link->client, &byte, 1);
    ERR_clear_error();
    return false;
}

/* Runs the handshake to its end on both sides, and lets tickets arrive; false when one side fails.
 */
FIXTURE bool fixture_shake_hands(struct fixture_link *link)
{
    char byte;

    for (int i = 0; i < 100; i++) {
        SSL *ends[] = {link->client, link->server};
        int done = 0;

        for (int j = 0; j < 2; j++) {
            int result;

            ERR_clear_error();
            result = SSL_do_handshake(ends[j]);
            if (result == 1)
                done++;
            else if (SSL_get_error(ends[j], result) != SSL_ERROR_WANT_READ)
                return fixture_fail(link, ends[j]);
        }
        if (done == 2) {
            int result = SSL_read(link->client, &byte, 1);

            return result <= 0 && SSL_get_error(link->client, result) == SSL_ERROR_WANT_READ;
        }
    }
    return false;
}

/* Two ends of contexts, as conns make them; `target` is of the client. */
struct fixture_ends {
    struct fixture_link link;
    struct tls_peer client;
    struct tls_peer server;
};

/* Into `ends`, which must stay where it is: the SSL objects point to it. */
FIXTURE void fixture_ends_open(struct fixture_ends *ends, struct tls_context *client,
                               struct tls_context *server, const struct tls_target *target)
{
    ends->link = fixture_link(client->ssl_ctx, server->ssl_ctx);
    ends->client = (struct tls_peer){.context = client, .session_key = target->session_key};
    ends->server = (struct tls_peer){.context = server};
    SSL_set_app_data(ends->link.client, &ends->client);
    SSL_set_app_data(ends->link.server, &ends->server);
    assert_true(tls_context_prepare(client, ends->link.client, target));
    assert_true(tls_context_prepare(server, ends->link.server, NULL));
}

FIXTURE void fixture_link_free(struct fixture_link *link)
{
    /* As after a clean end: a session that is freed without one is not resumed any more. */
    SSL_set_shutdown(link->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_set_shutdown(link->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(link->client);
    SSL_free(link->server);
    *link = (struct fixture_link){0};
}

#endif
