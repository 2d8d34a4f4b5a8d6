/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_internal.h - what profiles and conns know of each other. Private to tls/.
 *
 * The profile decides everything that a configuration can say: versions, certificates, whom to
 * trust, which session to resume. The conn moves bytes and tells ends apart.
 */
#ifndef CULVERT_TLS_TLS_INTERNAL_H
#define CULVERT_TLS_TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tls/tls_conn.h"
#include "tls/tls_profile.h"

struct tls_material;
struct tls_policy;
struct tls_sessions;
struct tls_ticket_box;

/*
 * One worker's view of a profile. Made by the control thread, then used by its worker alone, so
 * that the count needs no lock. Whoever holds a reference keeps all of it; tls_context_free()
 * drops one.
 */
struct tls_context {
    SSL_CTX *ssl_ctx;
    unsigned references; /* the profile's slot, and one per conn */
    enum tls_role role;
    bool lenient_truncation;
    const struct tls_policy *policy; /* of the profile, which lives longer */
    struct tls_material *material;   /* counted: what this context was made of */
    struct tls_ticket_box *tickets;  /* server role: NULL without session tickets */
    struct tls_sessions *sessions;   /* client role: to resume, by server; NULL: never */
};

static inline struct tls_context *tls_context_ref(struct tls_context *context)
{
    context->references++;
    return context;
}

/* What a conn's SSL_get_app_data() points to. Callbacks of OpenSSL find their way by it. */
struct tls_peer {
    struct tls_context *context;
    uint64_t session_key; /* of struct tls_target; 0 in the server role. The profile makes it one
                             that other names do not share */
    bool verifies_name;   /* set by the profile: the certificate must have the server's name */
};

/* ---- profiles provide --------------------------------------------------------------------------
 */

/*
 * Prepares a fresh SSL of the context for its handshake; app data is set, the role is not. In the
 * client role: the name to send and to verify, and a session to resume if there is one. `target` is
 * NULL in the server role. False without memory.
 */
bool tls_context_prepare(struct tls_context *context, SSL *ssl,
                         const struct tls_target *target) CULVERT_MUST_CHECK;

/* After a complete handshake, also of a resumed session: whether the peer may take part. False:
   `text` says why not, printable. */
bool tls_context_accepts(const struct tls_context *context, SSL *ssl, char *text, size_t size);

/* ---- conns provide -----------------------------------------------------------------------------
 */

/* Sets the modes that conns rely on (partial writes, released buffers, read-ahead). The profile
   calls it for every SSL_CTX it makes. */
void tls_conn_configure(SSL_CTX *ssl_ctx);

/* The conn speaks TLS. */
SSL *tls_conn_ssl(const struct conn *conn);

#endif
