/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange_mysql.h - MySQL and MariaDB: the greeting, with which the server speaks first.
 */
#ifndef CULVERT_HEALTH_EXCHANGE_MYSQL_H
#define CULVERT_HEALTH_EXCHANGE_MYSQL_H

#include "health/exchange.h"

enum exchange_verdict exchange_mysql_judge(const struct exchange_options *options,
                                           const unsigned char *bytes, size_t size, bool is_ended,
                                           struct text *cause);

#endif
