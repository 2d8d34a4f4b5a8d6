/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checks.h - the checks of servers in this process: who hears of a server that comes or goes.
 */
#ifndef CULVERT_DAEMON_CHECKS_H
#define CULVERT_DAEMON_CHECKS_H

#include <event2/event.h>

#include "core/error.h"
#include "health/checker.h"
#include "config/snapshot.h"
#include "daemon/server_end.h"

/* Starts the checks of the snapshot's pools. Before the workers run; checker_close() ends them.
   on_down's sessions are ended by `ends`. NULL with the error set without memory. */
struct checker *checks_open(struct event_base *base, struct snapshot *snapshot,
                            struct server_ends *ends, struct error *error);

#endif
