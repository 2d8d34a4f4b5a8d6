/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_prefix.h - prefixes of addresses, written in the value or in a file of their own.
 */
#ifndef CULVERT_CONFIG_VALUE_PREFIX_H
#define CULVERT_CONFIG_VALUE_PREFIX_H

#include <stdbool.h>

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/source_file.h"

struct item;

/*
 * Gives `item` the prefixes that the word means: one, or with @FILE those of the file, one per
 * line; '#' starts a comment. `origin` is the place of the word; `files` keeps the file. False
 * after a report to `diagnostics`.
 */
bool value_prefix_parse(const char *word, const struct origin *origin, struct source_files *files,
                        struct item *item, struct diagnostics *diagnostics) CULVERT_MUST_CHECK;

#endif
