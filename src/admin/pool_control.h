/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool_control.h - what an operator changes in a pool: its pause, and the states and weights of
 * its servers.
 */
#ifndef CULVERT_ADMIN_POOL_CONTROL_H
#define CULVERT_ADMIN_POOL_CONTROL_H

#include "admin/exchange.h"

/* POST /api/v1/pools/POOL/pause, …/resume, and …/servers/SERVER with {"state":"up|drain|maint"},
   {"weight":1-256} or both. */
void pool_control_handle(const struct question *question, struct answer *answer);

#endif
