/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_health.h - how the servers of each pool are checked.
 */
#ifndef CULVERT_CONFIG_SNAPSHOT_HEALTH_H
#define CULVERT_CONFIG_SNAPSHOT_HEALTH_H

#include <stdbool.h>

#include "core/base.h"
#include "health/health_options.h"
#include "config/settings.h"
#include "config/snapshot.h"
#include "config/tls_uses.h"

/* Fills `snapshot->health`, one entry per pool; the pools are there. False without memory. */
bool snapshot_fill_health(struct snapshot *snapshot, const struct settings *settings,
                          const struct tls_uses *tls) CULVERT_MUST_CHECK;

#endif
