/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange_redis.h - Redis: PING.
 */
#ifndef CULVERT_HEALTH_EXCHANGE_REDIS_H
#define CULVERT_HEALTH_EXCHANGE_REDIS_H

#include "health/exchange.h"

size_t exchange_redis_open(const struct exchange_options *options, const char *host,
                           unsigned char *bytes);
enum exchange_verdict exchange_redis_judge(const struct exchange_options *options,
                                           const unsigned char *bytes, size_t size, bool is_ended,
                                           struct text *cause);

#endif
