/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.h - one listening socket of one worker: accepting, pausing, handing over.
 *
 * The socket is watched level-triggered. A connection's places (process, listener, worker) are
 * reserved before it becomes a session, so that a limit is never passed. Without descriptors or
 * memory the socket is left alone for a while instead of being polled in vain. Private to worker/.
 */
#ifndef CULVERT_WORKER_LISTENER_H
#define CULVERT_WORKER_LISTENER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/counter.h"
#include "net/addr.h"
#include "config/snapshot.h"

struct message;
struct worker;

/* Why accepting rests. */
enum listener_pause {
    PAUSED_BY_SHORTAGE, /* no descriptor or memory */
    PAUSED_BY_RATE,     /* time alone makes room */
    PAUSED_BY_LIMIT,    /* a freed place ends it, too */
};

struct listener {
    struct worker *worker;
    struct listener_config *config; /* borrowed from the worker's snapshot */
    struct event *event;
    int fd;              /* owned; -1 when closed */
    bool is_only_socket; /* of all workers: hand over at the least difference */
    bool is_paused;
    bool is_closing; /* nobody can wait in its queue any longer */
    enum listener_pause pause_cause;
    int64_t resume_ms;
};

struct accept_counters {
    struct counter emfile;
    struct counter enfile;
    struct counter enobufs;
    struct counter enomem;
    struct counter other;
};

/* Watches the socket. False without memory. */
bool listener_open(struct listener *listener) CULVERT_MUST_CHECK;

/*
 * Accepts what is in the queue already, then closes the socket: closing one of a SO_REUSEPORT group
 * would drop those connections. Those for whom there is no place or no descriptor are refused, with
 * a record (limit, no_resources). Harmless when closed.
 */
void listener_close(struct listener *listener);

/* A connection that another worker accepted and handed over; it holds its places already. */
void listener_receive(struct worker *worker, const struct message *message);

/* Resumes listeners whose pause is over; those that a limit paused at once, if `has_place`. */
void listener_resume_all(struct worker *worker, bool has_place);

#endif
