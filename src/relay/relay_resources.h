/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay_resources.h - what a worker lends its sessions.
 *
 * The relay does not know workers: each worker owns one of these and fills it in. Everything here
 * belongs to one thread.
 */
#ifndef CULVERT_RELAY_RELAY_RESOURCES_H
#define CULVERT_RELAY_RELAY_RESOURCES_H

#include <event2/event.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "core/buffer.h"
#include "core/list.h"
#include "core/log.h"
#include "net/builtin.h"
#include "net/conn.h"
#include "net/pipe.h"
#include "tls/client_hello.h"
#include "pool/pool_queue.h"
#include "relay/relay_counters.h"

/* Rounds (a read and its write) per pump before other sessions get their turn. */
#define RELAY_ROUNDS 8

/* The worker's tick: rechecks, spills and buffer waits; it runs only while there is work. */
#define RELAY_TICK_MS 20

/* Conns asked in one poll(2) of the tick. */
#define RELAY_LOOKS 512

/* Descriptors that one session needs beside its client's: two for a built-in server. */
#define RELAY_SLACK 2

/* Timers of a worker that must be added at any time: the run queue's, the tick's, the listeners'.
 */
#define RELAY_ROOMS 3

struct source_table;

struct relay_resources {
    struct event_base *base;
    unsigned worker;           /* its number: index of its TLS contexts */
    unsigned char *scratch;    /* BUFFER_READ_BYTES: where a copying read lands */
    struct pollfd *looks;      /* RELAY_LOOKS of them, for the tick */
    struct client_hello hello; /* of the session that goes from CLIENT_HELLO to ROUTE */
    struct buffer_cache buffers;
    struct pipe_cache pipes;
    struct builtin_services builtin;
    struct relay_counters counters;
    /* Of `server = original`: where this process listens, and what it has connected. */
    const struct addr *listening;
    unsigned listening_count;
    struct own_connects *own_connects; /* NULL: no pool has such a server */
    struct log_limit loop_log;
    struct log_limit source_log;

    struct list sessions;       /* all of the worker's, oldest first */
    struct list run_queue;      /* sessions whose turn comes in the next loop turn */
    struct list handshakes;     /* sessions whose handshake has a step to do: one per loop turn */
    struct list buffer_waiters; /* sessions that may not read until a buffer is free */
    struct pool_caller caller;  /* lets sessions that wait in a queue look */
    struct list recheck;        /* conns the tick looks at */
    struct event *run_event;    /* zero timer, added while run_queue is not empty */
    struct event *tick_event; /* RELAY_TICK_MS timer, added while one of the others is not empty */
    struct event *rooms[RELAY_ROOMS]; /* timers of a far day: see relay_add_timer() */
    struct event *place_event; /* the worker's: added when a place is freed while accepts pause */
    /* Descriptors kept for the other side of a session whose client is accepted already. */
    int slack[RELAY_SLACK];
    _Atomic bool has_slack; /* written by the worker alone */
    bool is_run_pending;
    bool is_tick_pending;
    bool wants_places; /* the worker's listeners pause at a limit */

    uint64_t random;    /* xorshift state */
    uint64_t flip_seed; /* CULVERT_TEST_FLIP: forced changes of the flow method; 0 = none */
    uint64_t next_id;   /* of sessions; the worker's number is in its upper bits */
    struct source_table *sources;  /* of the process; NULL: nothing is limited per source */
    _Atomic int *process_sessions; /* places taken in the process */
    _Atomic int *worker_sessions;
};

/* Prepares lists, timers, scratch memory and caches. False without memory. */
bool relay_resources_init(struct relay_resources *resources, struct event_base *base,
                          const struct snapshot *snapshot, struct buffer_budget *buffers,
                          struct pipe_budget *pipes) CULVERT_MUST_CHECK;

/* Frees it all; no session may be left. */
void relay_resources_release(struct relay_resources *resources);

/* The tick asks this conn when it had neither event nor read for a whole tick. */
void relay_recheck(struct relay_resources *resources, struct conn *conn);

/* Makes sure that the run queue or the tick will run. */
void relay_wake_run_queue(struct relay_resources *resources);
void relay_wake_tick(struct relay_resources *resources);

/*
 * Adds a timer of the worker that must not fail. libevent needs memory to have one timer more; when
 * there is none, the new one takes the place of a timer that waits for nothing. False only when all
 * of those have given way already.
 */
bool relay_add_timer(struct relay_resources *resources, struct event *timer,
                     const struct timeval *delay);

/* A place was freed while the worker's listeners pause: lets them look. */
void relay_offer_place(struct relay_resources *resources);

/*
 * The slack keeps a client that was accepted from being refused for want of one more descriptor: it
 * is given up for that session, and nobody is accepted until it is back, so the others wait in the
 * kernel's queue. False when there is none to give up, or (with errno) when it cannot be had back.
 */
bool relay_give_up_slack(struct relay_resources *resources);
bool relay_take_slack(struct relay_resources *resources);

/* The next number of the worker's generator (xorshift64*). */
uint64_t relay_random(struct relay_resources *resources);

#endif
