/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - one thread with its event loop, its listening sockets and its sessions.
 *
 * Workers share nothing on the data path. The rest of the process talks to a worker through its
 * mailbox, reads its counters, and reads its session count.
 */
#ifndef CULVERT_WORKER_WORKER_H
#define CULVERT_WORKER_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/log.h"
#include "net/addr.h"
#include "net/own_connects.h"
#include "net/pipe.h"
#include "config/snapshot.h"
#include "relay/relay_counters.h"
#include "worker/mailbox.h"

struct source_table;
struct worker;

/* What all workers of the process share, besides the snapshot. Owned by daemon/worker_group. */
struct worker_shared {
    struct worker *const *workers;
    unsigned worker_count;
    struct buffer_budget buffers;
    struct pipe_budget pipes;
    int max_connections;                       /* of the process */
    struct source_table *sources;              /* NULL: nothing is limited per source */
    _Atomic int64_t connections_paid_until_ns; /* the bucket of [limits] connection_rate */
    _Atomic int sessions;                      /* places taken in the process */
    int log_wake_fd;                           /* the logger's eventfd */

    /* For sessions with `server = original`; set before the first worker starts. */
    struct addr *listening; /* where the process takes connections; owned */
    unsigned listening_count;
    struct own_connects *own_connects; /* owned; NULL: no pool has such a server */
};

/* Listening sockets of one listener for one worker, opened by the control thread. */
struct worker_listen {
    unsigned listener_index;
    int fd;              /* owned by the worker once it is started */
    bool is_only_socket; /* of all workers (unix): they get their sessions through this one */
};

/*
 * Makes a worker: its event base, mailbox, caches and counters. `number` counts from 0. The worker
 * takes a snapshot reference of its own. NULL with the error set otherwise.
 */
struct worker *worker_create(unsigned number, struct worker_shared *shared,
                             struct snapshot *snapshot, struct log_ring *ring, struct error *error);

/* Gives it a listening socket before the start. False without memory (fd still the caller's). */
bool worker_add_listen(struct worker *worker,
                       const struct worker_listen *listen) CULVERT_MUST_CHECK;

/* Starts the thread (all signals blocked in it); `cpu` >= 0 pins it. */
bool worker_start(struct worker *worker, int cpu, struct error *error) CULVERT_MUST_CHECK;

/* Whether the thread has come to its end (or never began): then worker_join() does not wait. */
bool worker_has_ended(const struct worker *worker);

/* Waits for the thread after MESSAGE_STOP. */
void worker_join(struct worker *worker);

/* After the join, or when never started. NULL is allowed. */
void worker_destroy(struct worker *worker);

/* Any thread. */
struct mailbox *worker_mailbox(struct worker *worker);
const struct relay_counters *worker_counters(const struct worker *worker);
int worker_sessions(const struct worker *worker);

/* False once it has closed its listening sockets: whom it took from them is counted by then. */
bool worker_is_accepting(const struct worker *worker);

/* Gauges of the caches and the accept path, for metrics. Any thread. */
struct worker_gauges {
    uint64_t pipes_lent;
    uint64_t pipes_idle;
    uint64_t pipes_denied;
    uint64_t buffer_bytes;
    uint64_t accept_errors[4]; /* EMFILE, ENFILE, ENOBUFS, ENOMEM */
    uint64_t accept_errors_other;
    int64_t loop_beat_ms; /* clock_now_ms() of its last loop turn (liveness) */
};
void worker_read_gauges(const struct worker *worker, struct worker_gauges *gauges);

#endif
