/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange_postgres.h - PostgreSQL: an SSLRequest, which a server answers before it asks who is
 * there.
 */
#ifndef CULVERT_HEALTH_EXCHANGE_POSTGRES_H
#define CULVERT_HEALTH_EXCHANGE_POSTGRES_H

#include "health/exchange.h"

size_t exchange_postgres_open(const struct exchange_options *options, const char *host,
                              unsigned char *bytes);
enum exchange_verdict exchange_postgres_judge(const struct exchange_options *options,
                                              const unsigned char *bytes, size_t size,
                                              bool is_ended, struct text *cause);

#endif
