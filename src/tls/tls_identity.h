/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_identity.h - who may take part: the patterns of allow_san against a verified certificate.
 *
 * A pattern is `dns:`, `uri:`, `ip:` or `cn:` and a name. The name may have wildcards, with the
 * meaning that ghostunnel gives them: `*` stands for one whole part (between slashes of a URI, dots
 * of a DNS name; the whole of a common name), `**` for all that is left of a URI, at its end only.
 * `uri:spiffe://example.org/ns/prod/sa/` followed by `*` admits every service account of that
 * namespace. Letter case matters but in DNS names. One slash at the end of a URI does not.
 */
#ifndef CULVERT_TLS_TLS_IDENTITY_H
#define CULVERT_TLS_TLS_IDENTITY_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"
#include "core/error.h"

struct tls_identity;

/* From a list of patterns that ends with NULL. NULL with the error set: a pattern that means
   nothing, or no memory. */
struct tls_identity *tls_identity_create(const char *const *patterns, struct error *error);
void tls_identity_destroy(struct tls_identity *identity);

/* Whether a name of the certificate is one that may take part. */
bool tls_identity_admits(const struct tls_identity *identity, X509 *certificate);

/* The names of a certificate for a message: "uri:spiffe://… dns:…"; printable, cut at `size`. */
void tls_identity_describe(X509 *certificate, char *buffer, size_t size);

#endif
