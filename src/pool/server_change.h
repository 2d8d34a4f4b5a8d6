/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_change.h - telling that a server's state has changed: the log, the counters, "since when",
 * and the sessions that wait for a place.
 */
#ifndef CULVERT_POOL_SERVER_CHANGE_H
#define CULVERT_POOL_SERVER_CHANGE_H

#include <stdint.h>

#include "pool/server.h"

struct pool;

/* The words of log, metrics and API: "", passive, check, admin, dns. */
const char *server_cause_word(enum server_cause cause);

/*
 * Control thread, after it has changed what makes up the state; `from` is what server_state_of()
 * said before, and `detail` (may be "") says more of the cause. Posts event=server_state and
 * counts, unless the state is the same as before. The pool's waiters look in any case.
 */
void server_change_note(struct pool *pool, struct server *server, enum server_state from,
                        enum server_cause cause, const char *detail, int64_t now_ms);

/* Remembers when the state changed and by what. Any thread. */
void server_change_mark(struct server *server, enum server_cause cause, int64_t now_ms);

#endif
