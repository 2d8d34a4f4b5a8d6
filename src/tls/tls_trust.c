/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_trust.c - reading anchors and revocation lists, and one store per context.
 */
#include "tls/tls_trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <unistd.h>

#include "tls/tls_credential.h"
#include "tls/tls_file.h"

/* ---- where the system keeps its anchors -------------------------------------------------------
 */

const char *tls_trust_system_path(void)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Arch, Alpine */
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
        "/etc/ssl/ca-bundle.pem",             /* SUSE */
    };
    const char *path = secure_getenv(X509_get_default_cert_file_env());

    if (path != NULL)
        return path;
    if (access(X509_get_default_cert_file(), R_OK) == 0)
        return X509_get_default_cert_file();
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        if (access(places[i], R_OK) == 0)
            return places[i];
    }
    return NULL;
}

/* ---- revocation lists -------------------------------------------------------------------------
 */

static bool add_list(struct tls_trust *trust, X509_CRL *list, const char *path, int64_t now_s,
                     struct error *error)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(list);
    X509_REVOKED *unused;
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    char day[16];

    if (serial == NULL || sk_X509_CRL_push(trust->lists, list) <= 0) {
        ASN1_INTEGER_free(serial);
        X509_CRL_free(list);
        return error_set(error, 0, "%s: out of memory", path);
    }
    /* OpenSSL sorts the list at the first look-up; done here, nobody writes to it afterwards. */
    X509_CRL_get0_by_serial(list, &unused, serial);
    ASN1_INTEGER_free(serial);
    if (next != NULL && tls_time_seconds(next) <= now_s)
        return error_set(error, 0, "the revocation list %s was due for renewal on %s", path,
                         tls_day_text(tls_time_seconds(next), day));
    return true;
}

static bool read_lists(struct tls_trust *trust, const struct tls_file *file, const char *path,
                       int64_t now_s, struct error *error)
{
    const unsigned char *der = file->bytes;
    BIO *bio;
    X509_CRL *list;
    bool is_good = true;

    if (*der == 0x30) { /* a SEQUENCE, where PEM has text */
        list = d2i_X509_CRL(NULL, &der, (long)file->size);
        if (list == NULL)
            return error_set(error, 0, "%s: the revocation list does not parse", path);
        return add_list(trust, list, path, now_s, error);
    }
    bio = BIO_new_mem_buf(file->bytes, (int)file->size);
    if (bio == NULL)
        return error_set(error, 0, "%s: out of memory", path);
    ERR_clear_error();
    while (is_good && (list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL)
        is_good = add_list(trust, list, path, now_s, error);
    if (is_good && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        is_good = error_set(error, 0, "%s: a revocation list does not parse or is cut short", path);
    if (is_good && sk_X509_CRL_num(trust->lists) == 0)
        is_good = error_set(error, 0, "%s holds no revocation list", path);
    BIO_free(bio);
    return is_good;
}

static bool load_lists(struct tls_trust *trust, const char *path, int64_t now_s,
                       struct error *error)
{
    struct tls_file file;
    bool is_read;

    trust->lists = sk_X509_CRL_new_null();
    if (trust->lists == NULL)
        return error_set(error, 0, "%s: out of memory", path);
    if (!tls_file_read(&file, path, error))
        return false;
    is_read = read_lists(trust, &file, path, now_s, error);
    tls_file_release(&file);
    return is_read;
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static bool digest_trust(struct tls_trust *trust)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned char one[32];
    bool is_good = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;

    for (int i = 0; is_good && i < sk_X509_num(trust->anchors); i++)
        is_good = X509_digest(sk_X509_value(trust->anchors, i), EVP_sha256(), one, NULL) == 1 &&
                  EVP_DigestUpdate(digest, one, sizeof(one)) == 1;
    for (int i = 0; is_good && i < sk_X509_CRL_num(trust->lists); i++)
        is_good =
            X509_CRL_digest(sk_X509_CRL_value(trust->lists, i), EVP_sha256(), one, NULL) == 1 &&
            EVP_DigestUpdate(digest, one, sizeof(one)) == 1;
    is_good = is_good && EVP_DigestFinal_ex(digest, trust->digest, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return is_good;
}

static bool load_anchors(struct tls_trust *trust, const char *ca_path, struct error *error)
{
    trust->anchors = sk_X509_new_null();
    if (trust->anchors == NULL)
        return error_set(error, 0, "ca_file: out of memory");
    if (trust->is_system)
        ca_path = tls_trust_system_path();
    if (ca_path == NULL)
        return error_set(error, 0,
                         "the system's trust store was not found; install "
                         "ca-certificates or set ca_file");
    return tls_bundle_load(trust->anchors, ca_path, error);
}

bool tls_trust_load(struct tls_trust *trust, const char *ca_path, bool is_system,
                    const char *crl_path, int64_t now_s, struct error *error)
{
    bool is_loaded;

    *trust = (struct tls_trust){.is_system = is_system};
    is_loaded = load_anchors(trust, ca_path, error) &&
                (crl_path == NULL || load_lists(trust, crl_path, now_s, error));
    if (is_loaded && !digest_trust(trust))
        is_loaded = error_set(error, 0, "ca_file: out of memory");
    if (!is_loaded)
        tls_trust_release(trust);
    ERR_clear_error();
    return is_loaded;
}

void tls_trust_release(struct tls_trust *trust)
{
    sk_X509_pop_free(trust->anchors, X509_free);
    sk_X509_CRL_pop_free(trust->lists, X509_CRL_free);
    *trust = (struct tls_trust){0};
}

bool tls_trust_apply(const struct tls_trust *trust, SSL_CTX *ssl_ctx)
{
    X509_STORE *store = X509_STORE_new();
    X509_VERIFY_PARAM *parameters = SSL_CTX_get0_param(ssl_ctx);
    bool is_good = store != NULL;

    for (int i = 0; is_good && i < sk_X509_num(trust->anchors); i++)
        is_good = X509_STORE_add_cert(store, sk_X509_value(trust->anchors, i)) == 1;
    for (int i = 0; is_good && i < sk_X509_CRL_num(trust->lists); i++)
        is_good = X509_STORE_add_crl(store, sk_X509_CRL_value(trust->lists, i)) == 1;
    if (!is_good) {
        X509_STORE_free(store);
        return false;
    }
    SSL_CTX_set_cert_store(ssl_ctx, store);
    if (!trust->is_system)
        X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
    if (sk_X509_CRL_num(trust->lists) > 0)
        X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return true;
}

int tls_trust_verify(int is_good, X509_STORE_CTX *verification)
{
    /* An authority without a list is not held against it; the peer itself must be on record. */
    if (!is_good && X509_STORE_CTX_get_error(verification) == X509_V_ERR_UNABLE_TO_GET_CRL &&
        X509_STORE_CTX_get_error_depth(verification) > 0) {
        X509_STORE_CTX_set_error(verification, X509_V_OK);
        return 1;
    }
    return is_good;
}
