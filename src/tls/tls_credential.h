/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_credential.h - certificates with their chains and keys, as PEM files hold them.
 *
 * A file may hold several chains with several keys (RSA and ECDSA side by side): each certificate
 * that one of the keys fits begins a chain, and what follows it up to the next such certificate
 * belongs to that chain. Loaded credentials do not change and are shared by all workers.
 */
#ifndef CULVERT_TLS_TLS_CREDENTIAL_H
#define CULVERT_TLS_TLS_CREDENTIAL_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"

/* What a handshake chooses by: one certificate of each kind can serve the same name. */
enum tls_key_type { TLS_KEY_RSA, TLS_KEY_EC, TLS_KEY_OTHER };
#define TLS_KEY_TYPES 3

struct tls_credential {
    X509 *leaf;
    STACK_OF(X509) * chain; /* without the leaf; may be empty, never NULL */
    EVP_PKEY *key;
    enum tls_key_type key_type;
    const char *file; /* owned by the list it is in */
    int64_t not_before_s;
    int64_t not_after_s;
};

/* Zeroed is an empty list. */
struct tls_credentials {
    struct tls_credential *items;
    size_t count;
    char **files; /* owned */
    size_t file_count;
};

/*
 * Adds the credentials of a PEM file, with the keys of `key_path` (NULL: in the same file). False
 * when a file cannot be read or parsed, a key fits no certificate, the first certificate has no
 * key, or a leaf has expired at `now_s`; the list is then to be released.
 */
bool tls_credentials_load(struct tls_credentials *list, const char *cert_path, const char *key_path,
                          int64_t now_s, struct error *error) CULVERT_MUST_CHECK;

/* Adds every *.pem of a folder in byte order of the names; NAME.key beside NAME.pem holds its key.
   A folder without any is an error. */
bool tls_credentials_load_folder(struct tls_credentials *list, const char *folder, int64_t now_s,
                                 struct error *error) CULVERT_MUST_CHECK;

void tls_credentials_release(struct tls_credentials *list);

/* Adds the certificates of a PEM file (a trust bundle); one at least, or it is an error. */
bool tls_bundle_load(STACK_OF(X509) * certificates, const char *path,
                     struct error *error) CULVERT_MUST_CHECK;

/* The first DNS name, else the common name, else the file's name; printable. */
void tls_credential_subject(const struct tls_credential *credential, char *buffer, size_t size);

/* Seconds since 1970; INT64_MAX for a time that does not parse. */
int64_t tls_time_seconds(const ASN1_TIME *time);

/* "2026-01-31": the day, UTC, for messages. `buffer` has room for 16 bytes. */
const char *tls_day_text(int64_t seconds, char buffer[16]);

#endif
