/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_uses.h - the TLS profiles that a configuration wants: each [tls] section, or path that stands
 * for one, once per role it is used in.
 */
#ifndef CULVERT_CONFIG_TLS_USES_H
#define CULVERT_CONFIG_TLS_USES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"
#include "tls/tls_profile.h"
#include "config/diagnostics.h"
#include "config/settings.h"

struct tls_use {
    const struct item *item;       /* where it is named first; borrowed from the settings */
    const struct section *section; /* NULL: a path, or a profile for checks */
    enum tls_role role;
    bool accepts_any; /* of checks that verify nothing: no section and no file says more */
    bool is_broken;   /* its files did not load, and that was reported */
    struct tls_profile *profile;
    UT_hash_handle hh;
};

/* A zeroed struct is empty. */
struct tls_uses {
    struct tls_use *tables[TLS_CLIENT + 1]; /* by name, in the order of appearance */
};

/* Lists what the enabled listeners, the routes, the pools and their checks name. False without
 * memory. */
bool tls_uses_list(struct tls_uses *uses, const struct settings *settings) CULVERT_MUST_CHECK;

/* What an option `tls` of a section names; NULL: off, not set, or nothing that there is. */
struct tls_use *tls_uses_find(const struct tls_uses *uses, enum tls_role role,
                              const struct item *item);

/* The profile for checks that accept any certificate; NULL when no check needs it. */
struct tls_profile *tls_uses_any(const struct tls_uses *uses);

/*
 * Makes the profiles that are not made yet, for `workers` workers. What does not load is reported
 * at the key that names it, as are certificates that end soon. False when one is wanting.
 */
bool tls_uses_load(struct tls_uses *uses, const struct settings *settings, unsigned workers,
                   struct diagnostics *diagnostics);

size_t tls_uses_count(const struct tls_uses *uses);

/* The profiles have an owner now, who will destroy them. */
void tls_uses_forget(struct tls_uses *uses);

/* Destroys the profiles that nobody else owns. */
void tls_uses_release(struct tls_uses *uses);

#endif
