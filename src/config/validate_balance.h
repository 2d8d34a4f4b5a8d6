/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_balance.h - what the choice of a server needs beyond well-formed values.
 */
#ifndef CULVERT_CONFIG_VALIDATE_BALANCE_H
#define CULVERT_CONFIG_VALIDATE_BALANCE_H

#include "config/diagnostics.h"
#include "config/settings.h"

/* Reports a maglev_size that is no prime, and keys of [pool] that its policy does not read. */
void validate_balance(const struct settings *settings, struct diagnostics *diagnostics);

#endif
