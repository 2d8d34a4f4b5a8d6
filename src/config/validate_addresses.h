/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_addresses.h - which addresses are listened on, and by whom.
 */
#ifndef CULVERT_CONFIG_VALIDATE_ADDRESSES_H
#define CULVERT_CONFIG_VALIDATE_ADDRESSES_H

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/settings.h"

/*
 * Reports addresses that are bound twice, an admin address that others can reach, and servers that
 * are the listener itself; after lookup_hosts(), for binds by name.
 */
void validate_addresses(const struct settings *settings, struct diagnostics *diagnostics);

#endif
