/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_build.h - from checked settings to a snapshot.
 */
#ifndef CULVERT_CONFIG_SNAPSHOT_BUILD_H
#define CULVERT_CONFIG_SNAPSHOT_BUILD_H

#include "core/base.h"
#include "config/settings.h"
#include "config/snapshot.h"
#include "config/tls_uses.h"

/* The snapshot of settings without errors, with one reference; NULL without memory. All of `tls` is
   loaded; its profiles go to the snapshot, in any case. `source` says where the settings come from;
   it is copied. */
struct snapshot *snapshot_build(const struct settings *settings, struct tls_uses *tls,
                                const char *source);

#endif
