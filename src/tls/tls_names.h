/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_names.h - which certificates serve a name that a client asks for.
 *
 * Built once from all credentials, then only read: one hash look-up for the exact name, one for the
 * wildcard that covers its first label (RFC 6125, 6.4.3), however many certificates there are.
 */
#ifndef CULVERT_TLS_TLS_NAMES_H
#define CULVERT_TLS_TLS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tls/tls_credential.h"

/* One credential of each kind of key at most: numbers in the list plus one, 0 for none. */
struct tls_choice {
    uint32_t by_type[TLS_KEY_TYPES];
};

struct tls_name_slot;

/* Zeroed is an empty index. */
struct tls_names {
    struct tls_name_slot *slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t name_count;
};

/*
 * Indexes the DNS names of all credentials (the common name where there is no DNS name). Of two
 * certificates with the same name and kind of key the first in the list counts. False without
 * memory.
 */
bool tls_names_build(struct tls_names *names,
                     const struct tls_credentials *credentials) CULVERT_MUST_CHECK;
void tls_names_release(struct tls_names *names);

/* The certificates for a name: those that have it, else those of `*.` and the name behind its first
   label. NULL when none fits. Letter case and one dot at the end do not matter. */
const struct tls_choice *tls_names_find(const struct tls_names *names, const char *name);

/*
 * Which certificates serve a client that names none, or one that nobody has: those of the first
 * file, and for a kind of key that it lacks one that shares its first name.
 */
struct tls_choice tls_names_default(const struct tls_names *names,
                                    const struct tls_credentials *credentials);

#endif
