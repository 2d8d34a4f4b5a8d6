/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_context.h - makes one worker's SSL_CTX out of a policy and what its files hold.
 */
#ifndef CULVERT_TLS_TLS_CONTEXT_H
#define CULVERT_TLS_TLS_CONTEXT_H

#include "core/error.h"
#include "tls/tls_internal.h"
#include "tls/tls_material.h"
#include "tls/tls_policy.h"
#include "tls/tls_tickets.h"

/*
 * A context with one reference, the caller's. It takes a reference to the material and a copy of
 * the ticket keys (NULL: no tickets), and borrows the policy. NULL with the error set: OpenSSL
 * refuses a value or a certificate, or no memory.
 */
struct tls_context *tls_context_create(const struct tls_policy *policy,
                                       struct tls_material *material,
                                       const struct tls_tickets *tickets, struct error *error);

/* Whether OpenSSL would serve each of the certificates (a key may be too short for it). */
bool tls_context_admits_all(const struct tls_context *context,
                            struct error *error) CULVERT_MUST_CHECK;

#endif
