/* SPDX-License-Identifier: Apache-2.0 */
/*
 * held.h - refused connections that are held unread, so that their clients hear nothing.
 *
 * For `deny_action = drop` where the kernel cannot be told to forget a connection. Each keeps its
 * places until its listener's handshake_timeout has passed; then it is reset. Private to worker/.
 */
#ifndef CULVERT_WORKER_HELD_H
#define CULVERT_WORKER_HELD_H

#include <stdbool.h>

#include "core/base.h"
#include "config/snapshot.h"

struct worker;

/* Takes over the descriptor and the places. Without memory the connection is reset at once, and
   the places are still the caller's: false. */
bool held_add(struct worker *worker, struct listener_config *config, int fd) CULVERT_MUST_CHECK;

/* Resets them all: nobody may be kept waiting for them. */
void held_end_all(struct worker *worker);

#endif
