/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_number.h - values that become one number: booleans, integers, durations, sizes, percents
 * and file modes.
 */
#ifndef CULVERT_CONFIG_VALUE_NUMBER_H
#define CULVERT_CONFIG_VALUE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "config/option_table.h"

struct item;

/* The `exit_code` of the error of a number whose unit is missing; 0 of all others. */
#define VALUE_LACKS_UNIT 1

/* Decimal digits up to `most`; NULL when there are none or too many, else what follows them. */
const char *value_read_digits(const char *string, int64_t most, int64_t *number);

/*
 * Gives `item` the number that the word means for the option, whose type must be one of the above.
 * False with `*error` when it means none, or one out of the option's range.
 */
bool value_number_parse(const struct option *option, const char *word, struct item *item,
                        struct error *error) CULVERT_MUST_CHECK;

#endif
