/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish.h - giving all workers what the control thread has made anew: a pool's members, the names
 * of an sni_map.
 */
#ifndef CULVERT_WORKER_PUBLISH_H
#define CULVERT_WORKER_PUBLISH_H

#include <stdbool.h>

#include "core/base.h"
#include "pool/pool.h"
#include "route/router.h"
#include "worker/worker.h"

/*
 * Makes sessions choose from the pool's servers as they are now: at once, without a lock. Call it
 * on the control thread after servers were added, removed or given another weight. What it replaces
 * is freed by a later call or by pool_reclaim(), once every worker has passed. False without
 * memory: sessions go on with the members of before.
 */
bool worker_publish_members(struct worker_shared *shared, struct pool *pool) CULVERT_MUST_CHECK;

/*
 * Makes `fresh`, which is taken over, the names of a router's sni_map, in the same manner; what it
 * replaces is freed by a later call or by router_reclaim_names().
 */
void worker_publish_names(struct worker_shared *shared, struct router *router,
                          struct name_map *fresh);

#endif
