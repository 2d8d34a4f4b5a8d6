/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_bytes.h - values that may hold any byte, such as what a check sends.
 *
 * The canonical text of such an item keeps the escapes that a quoted value may have, so that it is
 * text like any other and reads back to the same bytes.
 */
#ifndef CULVERT_CONFIG_VALUE_BYTES_H
#define CULVERT_CONFIG_VALUE_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/value.h"

/* Puts the canonical text of the bytes into the item. False without memory, which is reported. */
bool value_bytes_parse(const char *bytes, size_t size, struct item *item,
                       struct diagnostics *diagnostics) CULVERT_MUST_CHECK;

/* The bytes of a canonical text, for free(3); NULL without memory. */
unsigned char *value_bytes_of(const char *text, size_t *size);

#endif
