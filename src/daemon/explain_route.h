/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_route.h - `culvert explain route`: where a client would go, and why.
 */
#ifndef CULVERT_DAEMON_EXPLAIN_ROUTE_H
#define CULVERT_DAEMON_EXPLAIN_ROUTE_H

#include <stdio.h>

#include "config/snapshot.h"
#include "daemon/command_line.h"

/*
 * Prints the route and the pool that would serve the client, and the servers in the order in which
 * they would be tried, from the configuration alone: nothing is looked up or contacted. False after
 * a word to `complaints` when the question makes no sense.
 */
bool explain_route(const struct explain_client *client, const struct snapshot *snapshot, FILE *out,
                   FILE *complaints);

#endif
