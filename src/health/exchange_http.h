/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange_http.h - HTTP/1.1: a GET, of whose answer only the status counts.
 */
#ifndef CULVERT_HEALTH_EXCHANGE_HTTP_H
#define CULVERT_HEALTH_EXCHANGE_HTTP_H

#include "health/exchange.h"

size_t exchange_http_open(const struct exchange_options *options, const char *host,
                          unsigned char *bytes);
enum exchange_verdict exchange_http_judge(const struct exchange_options *options,
                                          const unsigned char *bytes, size_t size, bool is_ended,
                                          struct text *cause);

#endif
