/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overview.h - the process, its listeners and its pools as JSON.
 */
#ifndef CULVERT_ADMIN_OVERVIEW_H
#define CULVERT_ADMIN_OVERVIEW_H

#include "admin/exchange.h"

/* GET /api/v1/overview: totals of the process, and what the two below say. */
void overview_handle(const struct question *question, struct answer *answer);

/* GET /api/v1/listeners: {"listeners":[{"name", "addresses": real ones, "sessions", …}]} */
void overview_handle_listeners(const struct question *question, struct answer *answer);

/* GET /api/v1/pools: {"pools":[{"name", "balance", "servers":[{"name", "state", …}]}]} */
void overview_handle_pools(const struct question *question, struct answer *answer);

/* GET /api/v1/version */
void overview_handle_version(const struct question *question, struct answer *answer);

#endif
