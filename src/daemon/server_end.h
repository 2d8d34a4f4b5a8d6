/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_end.h - ending the sessions of servers that are gone: on_down and on_remove.
 *
 * A bounded number of sessions a second, those that are idle first: so many clients at once would
 * be too much for the servers that are left. A server that comes back keeps what it still has.
 */
#ifndef CULVERT_DAEMON_SERVER_END_H
#define CULVERT_DAEMON_SERVER_END_H

#include <event2/event.h>
#include <stdint.h>

#include "core/base.h"
#include "pool/pool.h"

struct server_ends;
struct worker_shared;

/* NULL without memory. `drain_timeout_ms` 0: those that may drain are never ended. */
struct server_ends *server_ends_open(struct event_base *base, struct worker_shared *shared,
                                     int64_t drain_timeout_ms);

/* NULL is allowed. */
void server_ends_close(struct server_ends *ends);

/*
 * The server is down or removed by now: lets its sessions go on, end at once, or after
 * drain_timeout. Control thread.
 */
void server_end_begin(struct server_ends *ends, struct pool *pool, struct server *server,
                      enum server_gone how);

#endif
