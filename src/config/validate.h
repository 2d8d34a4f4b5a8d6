/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate.h - checks that need more than one key.
 */
#ifndef CULVERT_CONFIG_VALIDATE_H
#define CULVERT_CONFIG_VALIDATE_H

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/settings.h"

/* Checks references, routes, timeouts and what is missing: all that needs no host looked up. */
void validate(const struct settings *settings, struct diagnostics *diagnostics);

#endif
