/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - one client joined to one server, from accept to close.
 *
 * A session is one allocation, owned by its worker. Every event ends in session_run(), and nothing
 * but session_close() frees: steps answer with an enum, flows and conns answer with enums, nobody
 * below calls back up. An end always carries a reason (relay/close_reason.h).
 */
#ifndef CULVERT_RELAY_SESSION_H
#define CULVERT_RELAY_SESSION_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "core/list.h"
#include "net/addr.h"
#include "net/conn.h"
#include "config/snapshot.h"
#include "relay/close_reason.h"
#include "relay/flow.h"
#include "relay/relay_resources.h"
#include "relay/session_record.h"
#include "relay/session_words.h"

/* Indices of session->conn: the socket facing the client, the one facing the server. */
enum side { FRONTEND, BACKEND };

/* Indices of session->flow. A flow's index is that of the conn it reads. */
enum direction { UPLOAD, DOWNLOAD };

static inline enum side other_side(enum side side)
{
    return side == FRONTEND ? BACKEND : FRONTEND;
}

/* In the order in which a session passes through them. */
enum session_state {
    SESSION_PROXY_HEADER,
    SESSION_CLIENT_HELLO,
    SESSION_ROUTE,
    SESSION_CLIENT_TLS,
    SESSION_CONNECT,
    SESSION_ANNOUNCE,
    SESSION_SERVER_TLS,
    SESSION_RELAY,
    SESSION_ABORT_DRAIN,
    SESSION_STATE_COUNT,
};

/* What a step answers. */
enum step {
    STEP_NEXT, /* done: enter the next state */
    STEP_WAIT, /* it has set what it waits for */
    STEP_OVER, /* the session is over; close_reason is set */
};

/* Most servers one session tries: the first and connect_retries (10) more. */
#define SESSION_TRIES_MAX 11

struct session {
    struct list_link link;  /* in resources->sessions */
    struct list_link queue; /* in resources->run_queue, ->handshakes or ->buffer_waiters */
    struct relay_resources *resources;
    struct listener_config *listener; /* with a reference to its snapshot */
    const struct route *route;        /* the one chosen; NULL: none, or the listener's own pool */
    struct pool *pool;
    struct server *server; /* a place on it is held while set */
    struct event timer;
    struct conn conn[2];
    struct flow flow[2];
    struct addr client;          /* as a PROXY header says, else of the socket */
    struct session_words *words; /* NULL: there is nothing to say */
    uint64_t id;
    int64_t accepted_us;
    int64_t armed_ms; /* when the timer fires; 0: not armed */
    int64_t state_ms; /* start of the attempt, the handshake, the relay, or the abort drain's last
                         progress */
    uint32_t connect_us;  /* how long connecting took; UINT32_MAX: never */
    uint32_t began_us;    /* from accept to the start of the handshake, the connecting or the relay;
                             once has_first_byte: how long the server's first byte took */
    uint32_t undelivered; /* bounded by what one session may hold, here and in the kernel */
    unsigned tally;
    int16_t close_error;               /* errno of the end */
    uint16_t tried[SESSION_TRIES_MAX]; /* positions in the pool */
    uint8_t tried_count;
    uint8_t looks; /* of the abort drain at the send queue */
    enum session_state state : 8;
    enum phase phase : 8;
    enum close_reason close_reason : 8;
    enum first first : 2;
    enum first waited_for : 2;
    enum side active_side : 1; /* whose event is being handled */
    enum side broken_side : 1; /* ABORT_DRAIN: whose conn failed */
    bool is_unarmed : 1;       /* no memory for the timer: nothing would ever end the session */
    bool is_guarded : 1;       /* the backend socket has its keepalive and user timeout */
    bool is_starttls : 1;      /* the client began with an SSLRequest (starttls = postgres) */
    bool has_announced : 1;    /* the server was sent one */
    bool has_told_proxy : 1;   /* the server was sent a whole PROXY header */
    bool owes_answer : 1;      /* the pool does not know yet how the attempt under way ended */
    bool has_first_byte : 1;
    bool wants_write : 1;            /* the handshake goes on when the socket takes bytes */
    uint8_t shape : 4;               /* which clocks run: see step_relay.c */
    enum session_tls client_tls : 2; /* once the handshake is done */
    enum session_tls server_tls : 2;
};

/*
 * Starts a session for an accepted socket and runs it. Takes over the fd, a reference to the
 * listener's snapshot, and the places (process, listener, worker) that the caller has reserved.
 * Without memory it answers false and all three are still the caller's.
 */
bool session_start(struct relay_resources *resources, struct listener_config *listener, int fd,
                   const struct addr *client, int64_t accepted_us) CULVERT_MUST_CHECK;

/* Runs the session until it must wait or is over. Every event callback ends here. */
void session_run(struct session *session);

/* Does one step of the handshake under way, and what follows from it. */
void session_handshake(struct session *session);

/* An end that culvert decides: both conns are reset. The session no longer exists afterwards. */
void session_end(struct session *session, enum close_reason reason);

/* A conn that was silent for a whole tick has something to tell that no edge told. May end the
   session. */
void session_recheck(struct conn *conn);

/* Nothing in flight, and nothing moved for a second. */
bool session_is_idle(const struct session *session, int64_t now_ms);

/* Fills in a record of the session as it is now. */
void session_describe(const struct session *session, struct session_record *record);

#endif
