/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_proxy.h - PROXY headers: which are believed, and what servers are told.
 */
#ifndef CULVERT_CONFIG_SNAPSHOT_PROXY_H
#define CULVERT_CONFIG_SNAPSHOT_PROXY_H

#include <stdbool.h>

#include "core/base.h"
#include "config/settings.h"
#include "config/snapshot.h"

/* False without memory. */
bool snapshot_proxy_listener(struct snapshot *snapshot, const struct settings *settings,
                             const struct section *section,
                             struct listener_config *listener) CULVERT_MUST_CHECK;

/* `section` is NULL for a listener's own pool. */
void snapshot_proxy_pool(const struct settings *settings, const struct section *section,
                         struct pool_options *options);

#endif
