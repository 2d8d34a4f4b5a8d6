/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_view.h - certificates as the API and the metrics show them, and the wish to load them anew.
 */
#ifndef CULVERT_ADMIN_TLS_VIEW_H
#define CULVERT_ADMIN_TLS_VIEW_H

#include "config/snapshot.h"
#include "admin/exchange.h"
#include "admin/exposition.h"

/* GET /api/v1/tls: {"tls":[…]}, one for each profile. */
void tls_view_handle_list(const struct question *question, struct answer *answer);

/* POST /api/v1/reload. */
void tls_view_handle_reload(const struct question *question, struct answer *answer);

/* The series of the family "culvert_tls_certificate_expiry_timestamp_seconds". */
void tls_view_add_expiries(struct exposition *out, const struct snapshot *snapshot);

#endif
