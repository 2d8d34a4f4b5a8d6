/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_build.h - from checked settings to a snapshot.
 */
#ifndef CULVERT_CONFIG_SNAPSHOT_BUILD_H
#define CULVERT_CONFIG_SNAPSHOT_BUILD_H

#include "core/base.h"
#include "config/settings.h"
#include "config/snapshot.h"

/* The snapshot of settings without errors, with one reference; NULL without memory. `source` says
   where they come from; it is copied. */
struct snapshot *snapshot_build(const struct settings *settings, const char *source);

#endif
