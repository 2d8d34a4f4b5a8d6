/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_check.h - servers that are culvert itself: each session would open another one.
 */
#ifndef CULVERT_DAEMON_LOOP_CHECK_H
#define CULVERT_DAEMON_LOOP_CHECK_H

#include "net/addr.h"
#include "config/snapshot.h"
#include "admin/http_api.h"

/*
 * The listener that a connection to `server` arrives at, if sessions of it may go to the pool, of
 * which the server is one; NULL otherwise. Listeners that only lead to each other in a circle are
 * not found.
 */
const struct listener_config *loop_check_find(const struct snapshot *snapshot,
                                              const struct bound_addr *bound, unsigned bound_count,
                                              const struct pool *pool, const struct addr *server);

#endif
