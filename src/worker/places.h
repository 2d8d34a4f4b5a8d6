/* SPDX-License-Identifier: Apache-2.0 */
/*
 * places.h - the places that a connection takes: in the process, at its listener, on its worker.
 *
 * They are reserved before the connection becomes a session, so that a limit is never passed, and
 * travel with it: whoever closes it gives them back. Private to worker/.
 */
#ifndef CULVERT_WORKER_PLACES_H
#define CULVERT_WORKER_PLACES_H

#include <stdbool.h>

#include "core/base.h"
#include "net/addr.h"
#include "config/snapshot.h"

struct worker;

/* All or none; none when a limit is reached, or buffers are nearly spent. */
bool places_reserve(struct worker *worker, struct listener_config *config) CULVERT_MUST_CHECK;

/* `client` NULL: it was not admitted by source_table_enter(), or is not known yet. */
void places_release(struct worker *worker, struct listener_config *config,
                    const struct addr *client);

/* A worker gives the session that it has reserved for to another one. */
void places_move(struct worker *from, struct worker *to);

#endif
