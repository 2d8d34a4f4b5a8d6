/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_credential.c - reading PEM, and finding which key belongs to which certificate.
 */
#include "tls/tls_credential.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"
#include "tls/tls_file.h"

/* ---- small helpers ----------------------------------------------------------------------------
 */

int64_t tls_time_seconds(const ASN1_TIME *time)
{
    struct tm tm;

    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1)
        return INT64_MAX;
    return (int64_t)timegm(&tm);
}

const char *tls_day_text(int64_t seconds, char buffer[16])
{
    time_t time = (time_t)seconds;
    struct tm tm;

    if (seconds == INT64_MAX || gmtime_r(&time, &tm) == NULL ||
        strftime(buffer, 16, "%Y-%m-%d", &tm) == 0)
        memcpy(buffer, "an unknown day", 15);
    return buffer;
}

static bool no_memory(const char *path, struct error *error)
{
    ERR_clear_error();
    return error_set(error, 0, "%s: out of memory", path);
}

/* ---- one PEM file -----------------------------------------------------------------------------
 */

DEFINE_STACK_OF(EVP_PKEY)

/* What a PEM file holds, in its order. */
struct pem_content {
    STACK_OF(X509) * certificates;
    STACK_OF(EVP_PKEY) * keys;
};

static bool content_init(struct pem_content *content)
{
    content->certificates = sk_X509_new_null();
    content->keys = sk_EVP_PKEY_new_null();
    return content->certificates != NULL && content->keys != NULL;
}

static void content_release(struct pem_content *content)
{
    sk_X509_pop_free(content->certificates, X509_free);
    sk_EVP_PKEY_pop_free(content->keys, EVP_PKEY_free);
    *content = (struct pem_content){0};
}

static bool add_certificate(STACK_OF(X509) * certificates, const char *name,
                            const unsigned char *bytes, long size, const char *path,
                            struct error *error)
{
    bool is_trusted = strcmp(name, PEM_STRING_X509_TRUSTED) == 0;
    X509 *certificate =
        is_trusted ? d2i_X509_AUX(NULL, &bytes, size) : d2i_X509(NULL, &bytes, size);

    if (certificate == NULL)
        return error_set(error, 0, "%s: certificate %d does not parse", path,
                         sk_X509_num(certificates) + 1);
    /* OpenSSL reads the extensions at first use; done here, nobody writes to it afterwards. */
    X509_check_purpose(certificate, -1, 0);
    if (sk_X509_push(certificates, certificate) <= 0) {
        X509_free(certificate);
        return no_memory(path, error);
    }
    return true;
}

static bool add_key(STACK_OF(EVP_PKEY) * keys, const char *name, const char *header,
                    const unsigned char *bytes, long size, const char *path, struct error *error)
{
    EVP_PKEY *key;

    if (strcmp(name, PEM_STRING_PKCS8) == 0 || strstr(header, "ENCRYPTED") != NULL)
        return error_set(error, 0,
                         "%s: the key is encrypted; only keys without a passphrase can "
                         "be used",
                         path);
    key = d2i_AutoPrivateKey(NULL, &bytes, size);
    if (key == NULL)
        return error_set(error, 0, "%s: the private key does not parse", path);
    if (sk_EVP_PKEY_push(keys, key) <= 0) {
        EVP_PKEY_free(key);
        return no_memory(path, error);
    }
    return true;
}

static bool is_certificate_name(const char *name)
{
    return strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0 ||
           strcmp(name, PEM_STRING_X509_TRUSTED) == 0;
}

static bool is_key_name(const char *name)
{
    static const char suffix[] = "PRIVATE KEY";
    size_t length = strlen(name);

    return length >= sizeof(suffix) - 1 &&
           strcmp(name + length - (sizeof(suffix) - 1), suffix) == 0;
}

/* One block: NULL lists are not wanted. Blocks of other kinds are passed over. */
static bool add_block(struct pem_content *content, const char *name, const char *header,
                      const unsigned char *bytes, long size, const char *path, struct error *error)
{
    if (is_certificate_name(name) && content->certificates != NULL)
        return add_certificate(content->certificates, name, bytes, size, path, error);
    if (is_key_name(name) && content->keys != NULL)
        return add_key(content->keys, name, header, bytes, size, path, error);
    return true;
}

static bool read_blocks(struct pem_content *content, BIO *bio, const char *path,
                        struct error *error)
{
    bool is_good = true;

    while (is_good) {
        char *name = NULL;
        char *header = NULL;
        unsigned char *bytes = NULL;
        long size = 0;

        ERR_clear_error();
        if (PEM_read_bio(bio, &name, &header, &bytes, &size) != 1) {
            /* The end of the file looks like this; anything else is a block cut short. */
            if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
                is_good = error_set(error, 0, "%s: a PEM block is broken or cut short", path);
            break;
        }
        is_good = add_block(content, name, header, bytes, size, path, error);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(bytes, (size_t)size);
    }
    ERR_clear_error();
    return is_good;
}

static bool content_read(struct pem_content *content, const char *path, struct error *error)
{
    struct tls_file file;
    BIO *bio;
    bool is_read;

    if (!tls_file_read(&file, path, error))
        return false;
    bio = BIO_new_mem_buf(file.bytes, (int)file.size);
    is_read = bio != NULL ? read_blocks(content, bio, path, error) : no_memory(path, error);
    BIO_free(bio);
    tls_file_release(&file);
    return is_read;
}

/* ---- which key fits which certificate ---------------------------------------------------------
 */

/* The key of a certificate's, or -1. */
static int find_key(const struct pem_content *content, int certificate)
{
    EVP_PKEY *public_key = X509_get0_pubkey(sk_X509_value(content->certificates, certificate));
    int found = -1;

    for (int i = 0; public_key != NULL && found == -1 && i < sk_EVP_PKEY_num(content->keys); i++) {
        if (EVP_PKEY_eq(public_key, sk_EVP_PKEY_value(content->keys, i)) == 1)
            found = i;
    }
    ERR_clear_error();
    return found;
}

static enum tls_key_type key_type_of(const EVP_PKEY *key)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return TLS_KEY_RSA;
    case EVP_PKEY_EC:
        return TLS_KEY_EC;
    default:
        return TLS_KEY_OTHER;
    }
}

static bool list_add(struct tls_credentials *list, X509 *leaf, EVP_PKEY *key, const char *file)
{
    struct tls_credential *credential;

    if ((list->count & (list->count - 1)) == 0) { /* the room doubles at each power of two */
        size_t room = list->count == 0 ? 1 : 2 * list->count;
        struct tls_credential *items = realloc(list->items, room * sizeof(*items));

        if (items == NULL)
            return false;
        list->items = items;
    }
    credential = &list->items[list->count];
    *credential = (struct tls_credential){
        .chain = sk_X509_new_null(),
        .key_type = key_type_of(key),
        .file = file,
        .not_before_s = tls_time_seconds(X509_get0_notBefore(leaf)),
        .not_after_s = tls_time_seconds(X509_get0_notAfter(leaf)),
    };
    if (credential->chain == NULL)
        return false;
    X509_up_ref(leaf);
    credential->leaf = leaf;
    EVP_PKEY_up_ref(key);
    credential->key = key;
    list->count++;
    return true;
}

/* Keeps the file's name as long as the list. NULL without memory. */
static const char *list_keep_name(struct tls_credentials *list, const char *path)
{
    char **files = realloc(list->files, (list->file_count + 1) * sizeof(*files));
    char *copy;

    if (files == NULL)
        return NULL;
    list->files = files;
    copy = strdup(path);
    if (copy != NULL)
        list->files[list->file_count++] = copy;
    return copy;
}

static bool chain_add(struct tls_credential *credential, X509 *certificate)
{
    X509_up_ref(certificate);
    if (sk_X509_push(credential->chain, certificate) > 0)
        return true;
    X509_free(certificate);
    return false;
}

/* The first certificate has no key: says why, as exactly as can be told. */
static bool refuse_first(const struct pem_content *content, const char *cert_path,
                         const char *key_path, struct error *error)
{
    for (int i = 1; i < sk_X509_num(content->certificates); i++) {
        if (find_key(content, i) != -1)
            return error_set(error, 0,
                             "%s: certificate %d is the one that the key fits; it must come first",
                             cert_path, i + 1);
    }
    if (strcmp(cert_path, key_path) == 0)
        return error_set(error, 0, "%s: the key does not fit the certificate", cert_path);
    return error_set(error, 0, "%s does not fit %s", key_path, cert_path);
}

static bool pair_up(struct tls_credentials *list, const struct pem_content *content,
                    const char *cert_path, const char *key_path, struct error *error)
{
    const char *name = list_keep_name(list, cert_path);
    size_t before = list->count;

    if (name == NULL)
        return no_memory(cert_path, error);
    for (int i = 0; i < sk_X509_num(content->certificates); i++) {
        X509 *certificate = sk_X509_value(content->certificates, i);
        int key = find_key(content, i);
        bool is_added;

        if (i == 0 && key == -1)
            return refuse_first(content, cert_path, key_path, error);
        is_added = key != -1
                       ? list_add(list, certificate, sk_EVP_PKEY_value(content->keys, key), name)
                       : chain_add(&list->items[list->count - 1], certificate);
        if (!is_added)
            return no_memory(cert_path, error);
    }
    if (list->count - before < (size_t)sk_EVP_PKEY_num(content->keys))
        return error_set(error, 0, "%s holds a key that fits no certificate of %s", key_path,
                         cert_path);
    return true;
}

static bool check_leaves(const struct tls_credentials *list, size_t from, int64_t now_s,
                         struct error *error)
{
    char day[16];

    for (size_t i = from; i < list->count; i++) {
        const struct tls_credential *credential = &list->items[i];

        if ((X509_get_extension_flags(credential->leaf) & EXFLAG_INVALID) != 0)
            return error_set(error, 0, "the certificate %s has extensions that do not parse",
                             credential->file);
        if (credential->not_after_s <= now_s)
            return error_set(error, 0, "the certificate %s expired on %s", credential->file,
                             tls_day_text(credential->not_after_s, day));
    }
    return true;
}

static bool load_content(struct tls_credentials *list, struct pem_content *content,
                         const char *cert_path, const char *key_path, int64_t now_s,
                         struct error *error)
{
    size_t before = list->count;

    if (!content_init(content))
        return no_memory(cert_path, error);
    if (key_path == NULL) {
        key_path = cert_path;
        if (!content_read(content, cert_path, error))
            return false;
    } else {
        struct pem_content certificates = {.certificates = content->certificates};
        struct pem_content keys = {.keys = content->keys};

        if (!content_read(&certificates, cert_path, error) || !content_read(&keys, key_path, error))
            return false;
    }
    if (sk_X509_num(content->certificates) == 0)
        return error_set(error, 0, "%s holds no certificate", cert_path);
    if (sk_EVP_PKEY_num(content->keys) == 0)
        return error_set(error, 0, "%s holds no private key", key_path);
    return pair_up(list, content, cert_path, key_path, error) &&
           check_leaves(list, before, now_s, error);
}

bool tls_credentials_load(struct tls_credentials *list, const char *cert_path, const char *key_path,
                          int64_t now_s, struct error *error)
{
    struct pem_content content = {0};
    bool is_loaded = load_content(list, &content, cert_path, key_path, now_s, error);

    content_release(&content);
    ERR_clear_error();
    return is_loaded;
}

/* ---- folders and bundles ----------------------------------------------------------------------
 */

/* NAME.pem, with NAME.key beside it if that exists. */
static bool load_from_folder(struct tls_credentials *list, const char *folder, const char *name,
                             int64_t now_s, struct error *error)
{
    char *cert_path = tls_path_join(folder, name);
    char *key_path = tls_path_join(folder, name);
    bool is_loaded = false;

    if (cert_path == NULL || key_path == NULL) {
        no_memory(folder, error);
    } else {
        memcpy(key_path + strlen(key_path) - 4, ".key", 4);
        is_loaded = tls_credentials_load(
            list, cert_path, access(key_path, F_OK) == 0 ? key_path : NULL, now_s, error);
    }
    free(cert_path);
    free(key_path);
    return is_loaded;
}

bool tls_credentials_load_folder(struct tls_credentials *list, const char *folder, int64_t now_s,
                                 struct error *error)
{
    struct tls_listing listing;
    bool is_loaded = true;

    if (!tls_listing_read(&listing, folder, ".pem", error))
        return false;
    if (listing.count == 0)
        is_loaded = error_set(error, 0, "%s holds no *.pem file", folder);
    for (size_t i = 0; is_loaded && i < listing.count; i++)
        is_loaded = load_from_folder(list, folder, listing.names[i], now_s, error);
    tls_listing_release(&listing);
    return is_loaded;
}

void tls_credentials_release(struct tls_credentials *list)
{
    for (size_t i = 0; i < list->count; i++) {
        X509_free(list->items[i].leaf);
        sk_X509_pop_free(list->items[i].chain, X509_free);
        EVP_PKEY_free(list->items[i].key);
    }
    free(list->items);
    for (size_t i = 0; i < list->file_count; i++)
        free(list->files[i]);
    free(list->files);
    *list = (struct tls_credentials){0};
}

bool tls_bundle_load(STACK_OF(X509) * certificates, const char *path, struct error *error)
{
    struct pem_content content = {.certificates = certificates};
    int before = sk_X509_num(certificates);

    if (!content_read(&content, path, error))
        return false;
    if (sk_X509_num(certificates) == before)
        return error_set(error, 0, "%s holds no certificate", path);
    return true;
}

/* ---- what a certificate is called -------------------------------------------------------------
 */

static bool append_dns_name(const X509 *leaf, struct text *text)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    bool is_found = false;

    for (int i = 0; !is_found && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type != GEN_DNS)
            continue;
        text_append_escaped(text, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                            (size_t)ASN1_STRING_length(name->d.dNSName));
        is_found = true;
    }
    GENERAL_NAMES_free(names);
    return is_found;
}

static bool append_common_name(X509 *leaf, struct text *text)
{
    const X509_NAME *subject = X509_get_subject_name(leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const ASN1_STRING *value;

    if (at < 0)
        return false;
    value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    text_append_escaped(text, (const char *)ASN1_STRING_get0_data(value),
                        (size_t)ASN1_STRING_length(value));
    return true;
}

void tls_credential_subject(const struct tls_credential *credential, char *buffer, size_t size)
{
    struct text text = text_over(buffer, size);
    const char *slash = strrchr(credential->file, '/');

    if (!append_dns_name(credential->leaf, &text) && !append_common_name(credential->leaf, &text))
        text_append(&text, slash == NULL ? credential->file : slash + 1);
    ERR_clear_error();
}
