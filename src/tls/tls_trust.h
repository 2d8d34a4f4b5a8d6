/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_trust.h - whom to believe: trust anchors and revocation lists.
 *
 * All files are read when the trust is loaded; no handshake ever waits for a disk. Each worker has
 * a store of its own that refers to the same certificates.
 */
#ifndef CULVERT_TLS_TLS_TRUST_H
#define CULVERT_TLS_TLS_TRUST_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"

/* Zeroed trusts nobody. */
struct tls_trust {
    STACK_OF(X509) * anchors;
    STACK_OF(X509_CRL) * lists;
    bool is_system;
    unsigned char digest[32]; /* of all of it: another trust has another one */
};

/* The file that "system" stands for: $SSL_CERT_FILE, or the first that exists of where systems keep
   theirs; NULL when there is none. */
const char *tls_trust_system_path(void);

/*
 * Loads the anchors of `ca_path` (or of the system's store) and, unless NULL, the revocation lists
 * of `crl_path` (PEM, several, or one in DER). A file without any, and a list that is out of date
 * at `now_s` and so would refuse everybody, are errors.
 */
bool tls_trust_load(struct tls_trust *trust, const char *ca_path, bool is_system,
                    const char *crl_path, int64_t now_s, struct error *error) CULVERT_MUST_CHECK;
void tls_trust_release(struct tls_trust *trust);

/*
 * Lets the context verify peers by it. A certificate of the anchors ends a chain whether or not it
 * is self-signed, unless they are the system's. With revocation lists there must be one for the
 * peer's own certificate; those of the authorities between are looked at where there is one.
 * False without memory.
 */
bool tls_trust_apply(const struct tls_trust *trust, SSL_CTX *ssl_ctx) CULVERT_MUST_CHECK;

/* The verify callback that belongs to it. */
int tls_trust_verify(int is_good, X509_STORE_CTX *verification);

#endif
