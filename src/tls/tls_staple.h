/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_staple.h - an OCSP response that the server's certificate is sent with (RFC 6066, 8).
 */
#ifndef CULVERT_TLS_TLS_STAPLE_H
#define CULVERT_TLS_TLS_STAPLE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"
#include "core/text.h"
#include "tls/tls_credential.h"

/* Zeroed: nothing to staple. */
struct tls_staple {
    unsigned char *bytes; /* DER */
    size_t size;
    const X509 *leaf;      /* of the credential it speaks of; borrowed */
    int64_t next_update_s; /* not sent from then on; INT64_MAX: not said */
};

/*
 * Reads a response (DER) and finds which of the credentials it speaks of. A file that does not
 * parse, that is no answer, or that speaks of none of them is an error; `warning` tells of one that
 * does not say "good" or is out of date.
 */
bool tls_staple_load(struct tls_staple *staple, const char *path,
                     const struct tls_credentials *credentials, int64_t now_s, struct text *warning,
                     struct error *error) CULVERT_MUST_CHECK;
void tls_staple_release(struct tls_staple *staple);

#endif
