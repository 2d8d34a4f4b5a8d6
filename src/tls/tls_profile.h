/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_profile.h - one [tls] section in one role, as connections use it: certificates, trust,
 * policy.
 *
 * The control thread makes a profile and loads what its files hold ("material"). Each worker has a
 * context of its own per profile (OpenSSL's locks are not shared between workers); keys,
 * certificates and ticket keys are common to all of them.
 *
 * Files may change while sessions run: the control thread loads new material beside the old, each
 * worker takes it over when its mailbox says so, and connections keep what they began with.
 * Material that does not load changes nothing.
 */
#ifndef CULVERT_TLS_TLS_PROFILE_H
#define CULVERT_TLS_TLS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"

/* Which part culvert plays: towards clients the server's, towards servers the client's. */
enum tls_role { TLS_SERVER, TLS_CLIENT };

enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRED };

/* Values of `min_version` and `max_version`: those of the protocol (RFC 8446, 4.2.1). */
enum tls_version { TLS_VERSION_1_2 = 0x0303, TLS_VERSION_1_3 = 0x0304 };

/*
 * What the configuration says. All text is borrowed for the call of tls_profile_create(), which
 * copies it; NULL = not set. Lists end with NULL.
 */
struct tls_options {
    const char *name; /* of the section, or the path that stands for one */
    const char *cert; /* PEM chain; a folder means tls.crt, tls.key and, if there, ca.crt in it */
    const char *key;  /* NULL: in `cert` */
    const char *cert_dir;
    bool sni_mismatch_alert; /* no certificate fits the name: refuse instead of the default one */
    const char *ca_file;     /* "system": the system's store */
    const char *crl_file;
    enum tls_verify verify;
    const char *server_name;      /* client role: SNI sent and name verified */
    const char *const *allow_san; /* dns: uri: ip: cn: patterns; one must match a verified peer */
    enum tls_version min_version;
    enum tls_version max_version;
    const char *ciphers;
    const char *ciphersuites;
    const char *groups;
    const char *const *alpn; /* in order of preference */
    bool session_tickets;
    const char *const
        *ticket_key_files; /* the first encrypts, all decrypt; NULL: random, rotated */
    int64_t session_timeout_ms;
    const char *ocsp_file;
    bool lenient_truncation; /* truncation = lenient */
    bool ktls;               /* ktls = auto */
    const char *keylog_file;
    int64_t reload_interval_ms; /* 0: only on request */
};

struct tls_profile;

/* One worker's view of a profile. Opaque; belongs to that worker once taken over. */
struct tls_context;

/*
 * Makes a profile for `workers` workers and loads its material. NULL with the error set when a file
 * cannot be read, a key does not fit its certificate, a certificate has expired, or OpenSSL refuses
 * a value; the text names the file or the key.
 */
struct tls_profile *tls_profile_create(const struct tls_options *options, enum tls_role role,
                                       unsigned workers, struct error *error);
void tls_profile_destroy(struct tls_profile *profile);

const char *tls_profile_name(const struct tls_profile *profile);
enum tls_role tls_profile_role(const struct tls_profile *profile);

/* ---- reloading (control thread) ---------------------------------------------------------------
 */

enum tls_change {
    TLS_UNCHANGED,
    TLS_CHANGED, /* contexts[] holds one new context per worker, to be handed over */
    TLS_BROKEN,  /* a file changed and does not load: the error says why; the old one stays */
};

/*
 * Looks at the profile's files (by what stat(2) says of the path and of each link on the way, so
 * that a swapped symbolic link counts), and loads them again when one has changed or `force` is
 * set. `contexts` has room for one per worker; each belongs to the caller until a worker takes it
 * over with tls_profile_take() or tls_context_free() drops it. A file that does not load is tried
 * again at every look and reported once, until it changes again.
 */
enum tls_change tls_profile_look(struct tls_profile *profile, bool force, int64_t now_ms,
                                 struct tls_context **contexts, struct error *error);

void tls_context_free(struct tls_context *context);

/* When the next look is due, clock_now_ms(); INT64_MAX: only on request. */
int64_t tls_profile_look_due_ms(const struct tls_profile *profile);

/* A certificate of the profile's current material, for metrics and warnings. */
struct tls_certificate {
    char subject[128];   /* the first DNS name, else the common name, else the file's name */
    char file[128];      /* cut when longer */
    int64_t not_after_s; /* seconds since 1970 */
};

/* Fills at most `size` and returns how many there are. */
size_t tls_profile_certificates(const struct tls_profile *profile,
                                struct tls_certificate *certificates, size_t size);

/* What the last load found that is no error but will be trouble (an OCSP response that does not say
   "good", a certificate that is not valid yet, ktls that is not there): sentences, or "". */
const char *tls_profile_warning(const struct tls_profile *profile);

/* Whether the last load failed. */
bool tls_profile_is_stale(const struct tls_profile *profile);

/* ---- a worker's side --------------------------------------------------------------------------
 */

/* The worker's current context. Only that worker calls this. Never NULL. */
struct tls_context *tls_profile_context(const struct tls_profile *profile, unsigned worker);

/* The worker takes new material over; connections that live keep the old one. */
void tls_profile_take(struct tls_profile *profile, unsigned worker, struct tls_context *context);

#endif
