/* SPDX-License-Identifier: Apache-2.0 */
/*
 * places.h - the places that a connection takes: in the process, at its listener, on its worker.
 *
 * They are reserved before the connection is accepted, so that a limit is never passed, and travel
 * with it: whoever closes it gives them back. Private to worker/.
 */
#ifndef CULVERT_WORKER_PLACES_H
#define CULVERT_WORKER_PLACES_H

#include <stdbool.h>

#include "core/base.h"
#include "config/snapshot.h"

struct worker;

/* All or none; none when a limit is reached, or buffers are nearly spent. */
bool places_reserve(struct worker *worker, struct listener_config *config) CULVERT_MUST_CHECK;

void places_release(struct worker *worker, struct listener_config *config);

/* A worker gives the session that it has reserved for to another one. */
void places_move(struct worker *from, struct worker *to);

#endif
