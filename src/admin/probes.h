/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probes.h - is the process alive, and does it want traffic?
 */
#ifndef CULVERT_ADMIN_PROBES_H
#define CULVERT_ADMIN_PROBES_H

#include "admin/exchange.h"

/* GET /healthz: 200 when every worker's loop has turned within 5 s or answers now, else 503. */
void probe_health(const struct question *question, struct answer *answer);

/* GET /readyz: 200 {"ready":true}, or 503 {"ready":false,"why":"starting" or "draining"}. */
void probe_ready(const struct question *question, struct answer *answer);

#endif
