/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - every metric of the process.
 *
 * Label values come from the configuration or from a closed list, never from a client, and each
 * series exists from the start, so that rate() sees the first event.
 */
#ifndef CULVERT_ADMIN_METRICS_H
#define CULVERT_ADMIN_METRICS_H

#include <event2/buffer.h>
#include <stdbool.h>

#include "admin/exchange.h"

/* GET /metrics */
void metrics_handle(const struct question *question, struct answer *answer);

#endif
