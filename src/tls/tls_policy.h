/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_policy.h - what a [tls] section says, checked and kept: all that does not change when files
 * do.
 */
#ifndef CULVERT_TLS_TLS_POLICY_H
#define CULVERT_TLS_TLS_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"
#include "core/error.h"
#include "tls/tls_identity.h"
#include "tls/tls_profile.h"

struct tls_policy {
    struct tls_options options; /* its text is owned */
    enum tls_role role;
    struct tls_identity *identity; /* allow_san; NULL: every verified peer */
    unsigned char *alpn;           /* as on the wire (RFC 7301, 3.1); NULL: none */
    unsigned alpn_size;
    bool may_use_ktls; /* asked for, and the kernel passed the self-test */
    int keylog_fd;     /* -1: none */
};

/* Copies and checks. False with the error set, which names the option; to be released anyway. */
bool tls_policy_init(struct tls_policy *policy, const struct tls_options *options,
                     enum tls_role role, struct error *error) CULVERT_MUST_CHECK;
void tls_policy_release(struct tls_policy *policy);

/*
 * What tickets and session ids are bound to: a session made under one policy is worth nothing under
 * another. `trust` is the digest of whom we believe, NULL where peers are not verified.
 */
bool tls_policy_digest(const struct tls_policy *policy, const unsigned char *trust,
                       unsigned char digest[32]) CULVERT_MUST_CHECK;

#endif
