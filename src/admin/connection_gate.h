/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection_gate.h - how many connections an HTTP server holds at once, and for how long.
 *
 * evhttp limits neither: each byte of a slow client restarts its timeouts. The gate makes the
 * bufferevent of each connection, so it knows them all: it stops accepting while its places are
 * taken, and ends a connection whose time is over.
 *
 * It keeps a reference to each bufferevent and finds that evhttp has freed it by its callbacks,
 * which bufferevent_free(3) clears.
 */
#ifndef CULVERT_ADMIN_CONNECTION_GATE_H
#define CULVERT_ADMIN_CONNECTION_GATE_H

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"

#define GATE_PLACES 8

struct gate_place {
    struct bufferevent *connection; /* NULL: free */
    int64_t since_ms;               /* accepted, or its request was complete */
    bool is_complete;               /* the whole request has come */
};

struct connection_gate {
    struct event *sweep;               /* while a place is taken or accepting is paused */
    struct evconnlistener **listeners; /* owned array of borrowed listeners */
    unsigned listener_count;
    struct gate_place places[GATE_PLACES];
    unsigned limit; /* <= GATE_PLACES */
    int64_t time_ms;
    bool is_paused;
    int64_t retry_ms; /* accept(2) failed: not before this time */
    struct connection_gate *next;
};

/* While all places are taken, a connection has no longer than this for its request: a well-meaning
   client sends it at once, and others wait. */
#define GATE_PRESSED_MS 1000

/*
 * Watches over the connections of `http`: at most `limit` at once, and each has `time_ms` to send
 * its request, but GATE_PRESSED_MS at most while all places are taken.
 */
bool connection_gate_open(struct connection_gate *gate, struct event_base *base,
                          struct evhttp *http, unsigned limit, int64_t time_ms) CULVERT_MUST_CHECK;

/* A listener bound to `http`, which owns it: disabled while no place is free, and for a moment
   after accept(2) has failed. False without memory. */
bool connection_gate_add(struct connection_gate *gate,
                         struct evconnlistener *listener) CULVERT_MUST_CHECK;

/* The request of a connection is complete: it has `time_ms` more, to take its answer. */
void connection_gate_complete(struct connection_gate *gate, struct bufferevent *connection);

/* A connection is about to end: look for its place in the next turn of the loop. */
void connection_gate_sweep_soon(struct connection_gate *gate);

/* How many places are taken now. */
unsigned connection_gate_taken(struct connection_gate *gate);

/* After evhttp_free(3). A zeroed gate is closed already. */
void connection_gate_close(struct connection_gate *gate);

#endif
