/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.h - the host names of a configuration turned into addresses.
 */
#ifndef CULVERT_CONFIG_LOOKUP_H
#define CULVERT_CONFIG_LOOKUP_H

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/settings.h"

/*
 * Looks up the host names of all binds and servers and stores the addresses in their endpoints. A
 * name without an answer is an error for a bind and a warning for a server. Blocks.
 */
void lookup_hosts(struct settings *settings, struct diagnostics *diagnostics);

#endif
