/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_view.h - the checks of servers as the API and the metrics show them.
 */
#ifndef CULVERT_ADMIN_HEALTH_VIEW_H
#define CULVERT_ADMIN_HEALTH_VIEW_H

#include "admin/exchange.h"
#include "admin/exposition.h"

/* GET /api/v1/health: {"health":[…]}, one for each server that is checked. */
void health_view_handle(const struct question *question, struct answer *answer);

/* The families culvert_health_checks and culvert_health_check_duration_seconds. */
void health_view_add_metrics(struct exposition *out, const struct admin_view *view);

#endif
