/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_group.h - all workers of the process: opened, started, drained and stopped together.
 */
#ifndef CULVERT_DAEMON_WORKER_GROUP_H
#define CULVERT_DAEMON_WORKER_GROUP_H

#include <stdbool.h>

#include "core/base.h"
#include "core/error.h"
#include "config/config.h"
#include "config/snapshot.h"
#include "worker/worker.h"
#include "admin/http_api.h"
#include "daemon/logger.h"

struct worker_group;

/* Opens all listening sockets (one per worker and bind) and makes the workers; starts nothing.
   NULL with the error set, and nothing left open, otherwise. */
struct worker_group *worker_group_open(struct snapshot *snapshot, const struct budget *budget,
                                       struct logger *logger, struct error *error);
bool worker_group_start(struct worker_group *group, struct error *error) CULVERT_MUST_CHECK;

struct worker_shared *worker_group_shared(struct worker_group *group);
const struct bound_addr *worker_group_bound(const struct worker_group *group, unsigned *count);

/* Sessions of all workers now. */
int worker_group_sessions(const struct worker_group *group);

/* What a drain waits for: the sessions, and at least one while a worker has not stopped accepting
   and so may yet take some from its queue. */
int worker_group_unfinished(const struct worker_group *group);

/* Sessions that the workers have ended with this reason so far. */
uint64_t worker_group_closed(const struct worker_group *group, enum close_reason reason);

/* Stop accepting. */
void worker_group_drain(struct worker_group *group);
/* End up to `count` sessions, idle ones first. */
void worker_group_cut(struct worker_group *group, int count);
/* End everything, join the threads, remove unix sockets' files. False when a worker hangs: its
   thread has not ended, and the group may not be closed. `*stuck` is its number. */
bool worker_group_stop(struct worker_group *group, unsigned *stuck) CULVERT_MUST_CHECK;
/* Not of a group with a worker that hangs. */
void worker_group_close(struct worker_group *group);

#endif
