/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_process.h - the part of a snapshot that is about the process.
 */
#ifndef CULVERT_CONFIG_SNAPSHOT_PROCESS_H
#define CULVERT_CONFIG_SNAPSHOT_PROCESS_H

#include <stdbool.h>

#include "core/base.h"
#include "config/settings.h"
#include "config/snapshot.h"

/* Fills a zeroed struct from checked settings. False without memory. */
bool snapshot_process_fill(const struct settings *settings,
                           struct process_config *process) CULVERT_MUST_CHECK;

/* How many workers the settings ask for, `auto` resolved. */
unsigned snapshot_workers(const struct settings *settings);

#endif
