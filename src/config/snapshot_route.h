/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_route.h - which clients a [route] section speaks of.
 */
#ifndef CULVERT_CONFIG_SNAPSHOT_ROUTE_H
#define CULVERT_CONFIG_SNAPSHOT_ROUTE_H

#include <stdbool.h>

#include "core/base.h"
#include "config/settings.h"
#include "config/snapshot.h"

/* Puts every combination of the section's sni, alpn and source into the listener's router, all for
   `route`, which must outlive it. False without memory. */
bool snapshot_route_clients(const struct section *section, struct listener_config *listener,
                            const struct route *route) CULVERT_MUST_CHECK;

#endif
