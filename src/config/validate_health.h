/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_health.h - what is wrong in a [health] section beyond the form of its values.
 */
#ifndef CULVERT_CONFIG_VALIDATE_HEALTH_H
#define CULVERT_CONFIG_VALIDATE_HEALTH_H

#include "config/diagnostics.h"
#include "config/settings.h"

void validate_health(const struct settings *settings, const struct section *section,
                     struct diagnostics *diagnostics);

#endif
