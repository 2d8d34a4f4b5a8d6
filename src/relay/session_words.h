/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_words.h - what only some sessions have to tell: names, faults, addresses that a proxy
 * has told.
 *
 * Allocated when there is something, so that all other sessions pay for a pointer.
 */
#ifndef CULVERT_RELAY_SESSION_WORDS_H
#define CULVERT_RELAY_SESSION_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "net/addr.h"

struct proxy_header;
struct session;
struct session_waiting;

/* What a PROXY header has told. */
struct session_claim {
    struct addr client_socket; /* the proxy's address; unset: session->client is of the socket */
    struct addr destination;   /* what the client connected to; unset: the header did not say */
    bool is_local;             /* the proxy spoke for itself */
    bool holds_place;          /* the client counts against the limits, beside the proxy */
};

struct session_words {
    char *sni;       /* the name that the client asks for; NULL: none is known */
    char *tls_error; /* what there is to say of a failure of TLS; NULL: nothing */
    /* `server = original`, else both AF_UNSPEC: where the client wanted to go, and our end of the
       connection to there, once it is noted (net/own_connects.h). */
    struct addr destination;
    struct addr source;
    int64_t paid_until_ns[2];        /* buckets of the flows with a rate (core/rate.h) */
    struct session_waiting *waiting; /* its place in the queue; NULL: it has never waited */
    const char *proxy_error;     /* what is wrong with the PROXY header, static; NULL: nothing */
    struct session_claim *claim; /* NULL: no header has told anything */
    uint16_t announced; /* bytes sent of a PROXY header that the server did not take whole */
};

/* The session's words, made when there are none yet; NULL without memory. */
struct session_words *session_words(struct session *session);

/* Frees them. */
void session_words_release(struct session *session);

/* Remembers the name that the client asks for: `length` bytes, kept in lower case and without a
   trailing dot. An empty one is none. False without memory. */
bool session_keep_sni(struct session *session, const char *name, size_t length) CULVERT_MUST_CHECK;

/* The name that the client asks for; NULL: none is known. */
const char *session_sni(const struct session *session);

/* Remembers why TLS failed, unless a reason was remembered before. Without memory it stays untold.
   NULL: nothing. */
void session_keep_words(struct session *session, const char *text);

/* Remembers what is wrong with a PROXY header; the text is static. Without memory it stays untold.
 */
void session_keep_proxy_error(struct session *session, const char *text);

/* The client is who the header says from here on. False without memory. */
bool session_believe(struct session *session, const struct proxy_header *header) CULVERT_MUST_CHECK;

/* How much was sent of the header that tells the server who its client is. */
size_t session_announced(const struct session *session);
bool session_keep_announced(struct session *session, size_t count) CULVERT_MUST_CHECK;

/* NULL: no header has told anything. */
const struct session_claim *session_claim(const struct session *session);

/* The address of the client's socket, whomever a header names. */
const struct addr *session_client_socket(const struct session *session);

/* What the client has connected to: as a header says, else as a redirecting rule has kept it, else
   the socket's own address. */
void session_destination(const struct session *session, struct addr *destination);

#endif
