/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.h - the host names that are bound to, turned into addresses.
 */
#ifndef CULVERT_CONFIG_LOOKUP_H
#define CULVERT_CONFIG_LOOKUP_H

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/settings.h"

/*
 * Looks up the host names of all binds and stores the addresses in their endpoints. A name without
 * an answer is an error. Blocks; names of servers are left to discovery, which does not.
 */
void lookup_hosts(struct settings *settings, struct diagnostics *diagnostics);

#endif
