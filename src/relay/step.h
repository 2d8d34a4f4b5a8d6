/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step.h - the states of a session and what they share. Private to relay/.
 *
 * Each state has a `run` for events and an `expire` for its deadline; both may be called at any
 * time, and look for themselves at what is due. States with a handshake have a `turn`, too: its
 * next step.
 */
#ifndef CULVERT_RELAY_STEP_H
#define CULVERT_RELAY_STEP_H

#include "relay/session.h"

enum step step_proxy_header_run(struct session *session);

enum step step_client_hello_run(struct session *session);

enum step step_route_run(struct session *session);

enum step step_client_tls_run(struct session *session);
enum step step_client_tls_turn(struct session *session);
enum step step_client_tls_expire(struct session *session);

enum step step_connect_run(struct session *session);
enum step step_connect_expire(struct session *session);
/* The server works: it is connected and, where that is asked for, speaks TLS. */
void step_connect_succeeded(struct session *session);
/* It does not, although it is connected: no other one is tried. `text` (may be NULL) says why. */
enum step step_connect_server_tls_failed(struct session *session, int error, const char *text);
/* It cannot be told who its client is. */
enum step step_connect_announce_failed(struct session *session, int error);

enum step step_announce_run(struct session *session);
enum step step_announce_expire(struct session *session);

enum step step_server_tls_run(struct session *session);
enum step step_server_tls_turn(struct session *session);
/* Of ANNOUNCE, too, once an SSLRequest was sent. */
enum step step_server_tls_expire(struct session *session);

/* Called once when the state is entered. */
void step_relay_enter(struct session *session);
enum step step_relay_run(struct session *session);
enum step step_relay_expire(struct session *session);
/* conn[side] carries an error that no read has met yet. */
enum step step_relay_abort(struct session *session, enum side side);

void step_abort_drain_enter(struct session *session);
enum step step_abort_drain_run(struct session *session);

/* Makes the timer fire no later than `deadline_ms` (clock_now_ms()). One that is armed earlier
   stays: its expire function looks and arms it for the rest. */
void session_arm(struct session *session, int64_t deadline_ms);

/* Watches a conn of the session. False without memory. */
bool session_watch(struct session *session, enum side side) CULVERT_MUST_CHECK;

void session_set_phase(struct session *session, enum phase phase);

/* Microseconds from accept until now. */
uint32_t session_age_us(const struct session *session);

/* flow_pump() of flow[side] with the counters kept. */
enum flow_wait session_pump(struct session *session, enum side side, int64_t now_ms);

/* Puts the session where flow_pump()'s answer wants it: the run queue, the buffer waiters. */
void session_queue(struct session *session, enum flow_wait wait);

/* Moves a residue of flow[side] that has lain in its pipe for a while into a buffer. */
void session_spill(struct session *session, enum side side, int64_t now_ms);

/* Bytes read for conn[side] that its kernel has not seen acknowledged; its socket is open. */
uint64_t session_undelivered_to(const struct session *session, enum side side);

/* The client went away before the relay began: over, and the server is let go. */
enum step session_client_left(struct session *session, int error);

/* Over, for a reason of culvert's own: both conns are reset, what they still owed is counted. */
enum step session_cut(struct session *session, enum close_reason reason);

/* Over before the relay: the client is refused as the listener says. */
enum step session_refuse(struct session *session, enum close_reason reason, enum refusal how);

/* Closes the client's conn behind a last word. What the client has sent is read first, lest its
   kernel be told of a reset that overtakes the word. */
void session_dismiss(struct session *session, const void *word, size_t size);

#endif
