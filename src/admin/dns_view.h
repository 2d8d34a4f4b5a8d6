/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_view.h - the names of servers and what the DNS says of them, for API and metrics.
 */
#ifndef CULVERT_ADMIN_DNS_VIEW_H
#define CULVERT_ADMIN_DNS_VIEW_H

#include "discovery/discovery.h"
#include "admin/exchange.h"
#include "admin/exposition.h"

/* GET /api/v1/dns: {"dns":[…]}, one for each name that is looked up. */
void dns_view_handle_list(const struct question *question, struct answer *answer);

/* The families culvert_dns_*: of names that the configuration has, not of SRV records' targets.
   Nothing without such names; `discovery` may be NULL. */
void dns_view_add_metrics(struct exposition *out, const struct discovery *discovery);

#endif
