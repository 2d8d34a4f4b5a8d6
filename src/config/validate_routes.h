/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_routes.h - routes that say the same, or nothing.
 */
#ifndef CULVERT_CONFIG_VALIDATE_ROUTES_H
#define CULVERT_CONFIG_VALIDATE_ROUTES_H

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/settings.h"

/* Reports routes of one listener that take the same clients, and sources no client of it can have.
 */
void validate_routes(const struct settings *settings, struct diagnostics *diagnostics);

#endif
