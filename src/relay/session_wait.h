/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_wait.h - a session that waits in its pool's queue. Private to relay/, but for the calls.
 *
 * It waits in CONNECT without a backend socket. What the client sends meanwhile stays in the
 * kernel.
 */
#ifndef CULVERT_RELAY_SESSION_WAIT_H
#define CULVERT_RELAY_SESSION_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"

struct relay_resources;
struct session;

enum session_wait {
    SESSION_WAITS,
    SESSION_WAIT_FULL,      /* queue_size others do already */
    SESSION_WAIT_NO_MEMORY, /* for its place in the queue */
};

/* Joins the queue; one that waits already goes on, and lets those behind it look at what it cannot
   use. */
enum session_wait session_wait_begin(struct session *session) CULVERT_MUST_CHECK;

/* Leaves the queue and counts the time. Harmless for a session that does not wait. */
void session_wait_end(struct session *session);

bool session_is_waiting(const struct session *session);

/* Whether it was called since it was last asked. */
bool session_wait_take_call(struct session *session);

/* When its queue_timeout ends (clock_now_ms()); INT64_MAX: never. */
int64_t session_wait_deadline_ms(const struct session *session);

/* Microseconds it has waited so far, in all. */
int64_t session_wait_us(const struct session *session);

/* Of `tried`, those before this one were tried before the pool was paused: its servers may be
   others by now. */
unsigned session_wait_forgiven(const struct session *session);

/* Lets the worker's sessions that were called look: after pool_caller's wake(), on the worker. */
void relay_answer_calls(struct relay_resources *resources);

#endif
