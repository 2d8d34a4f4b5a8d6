/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_sessions.h - sessions with servers, kept to be resumed.
 *
 * One store per context, so one worker alone uses it and new certificates or trust begin with an
 * empty one. It is bounded; the server that was not used for longest is forgotten first. A TLS 1.3
 * session is handed out once (RFC 8446, C.4), one of TLS 1.2 as long as it lasts.
 */
#ifndef CULVERT_TLS_TLS_SESSIONS_H
#define CULVERT_TLS_TLS_SESSIONS_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_SESSIONS_SERVERS 256
#define TLS_SESSIONS_PER_SERVER 8

struct tls_sessions;

struct tls_sessions *tls_sessions_create(void); /* NULL without memory */
void tls_sessions_destroy(struct tls_sessions *sessions);

/* Keeps a session under the key; takes the caller's reference in any case. */
void tls_sessions_put(struct tls_sessions *sessions, uint64_t key, SSL_SESSION *session);

/* The newest session of the key that can be resumed, or NULL. The reference is the caller's. */
SSL_SESSION *tls_sessions_take(struct tls_sessions *sessions, uint64_t key);

#endif
