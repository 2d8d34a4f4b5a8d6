/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_material.h - all that the files of a policy hold, loaded together: a whole or nothing.
 *
 * It does not change once it is loaded. The contexts of all workers refer to it, and the last one
 * frees it, on whichever thread that is.
 */
#ifndef CULVERT_TLS_TLS_MATERIAL_H
#define CULVERT_TLS_TLS_MATERIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "tls/tls_credential.h"
#include "tls/tls_names.h"
#include "tls/tls_policy.h"
#include "tls/tls_staple.h"
#include "tls/tls_tickets.h"
#include "tls/tls_trust.h"

struct tls_material {
    _Atomic int references;
    struct tls_credentials credentials;
    struct tls_names names;
    struct tls_choice fallback; /* for clients that name nobody we know */
    struct tls_trust trust;
    struct tls_staple staple;
    struct tls_tickets tickets; /* of ticket_key_file; count 0: random ones are used */
    unsigned char policy_digest[32];
    char warning[512]; /* sentences, or empty */
};

/* Reads every file. NULL with the error set. */
struct tls_material *tls_material_load(const struct tls_policy *policy, int64_t now_s,
                                       struct error *error);
struct tls_material *tls_material_ref(struct tls_material *material);
void tls_material_unref(struct tls_material *material);

/* A number that differs once any of the files has changed (tls_file.h). */
uint64_t tls_material_stamp(const struct tls_policy *policy);

/* Whether more certificates are there than the ones that everybody gets. */
bool tls_material_has_choice(const struct tls_material *material);

#endif
