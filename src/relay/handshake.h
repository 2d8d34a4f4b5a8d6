/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handshake.h - what the handshakes with clients and with servers have in common. Private to
 * relay/.
 *
 * An event never makes a handshake's step by itself: it puts the session on resources->handshakes,
 * which the run queue serves one by one.
 */
#ifndef CULVERT_RELAY_HANDSHAKE_H
#define CULVERT_RELAY_HANDSHAKE_H

#include "tls/tls_conn.h"
#include "relay/step.h"

/* Turns conn[side] into a TLS conn and starts the clock of handshake_timeout. False without memory:
   the session goes on in no way then. */
bool handshake_begin(struct session *session, enum side side, struct tls_profile *profile,
                     const struct tls_target *target) CULVERT_MUST_CHECK;

/* Queues the session if the handshake has a step to do. */
enum step handshake_wait(struct session *session, enum side side);

/* Does one step: IO_MOVED when the handshake is complete, IO_BLOCKED, IO_FAILED. Counts what came
   of it. */
enum io_result handshake_turn(struct session *session, enum side side);

/* Starts the clock of handshake_timeout anew. */
void handshake_start_clock(struct session *session);

/* Whether handshake_timeout has passed; if not, the timer is armed for the rest. */
bool handshake_is_overdue(struct session *session);

void handshake_count_timeout(struct session *session, enum side side);

/* Remembers what TLS says of conn[side]'s failure, unless something was remembered before. */
void session_keep_tls_error(struct session *session, enum side side);

/* Why a conn broke that is still open. */
enum close_reason session_break_reason(const struct session *session, enum side side);

#endif
