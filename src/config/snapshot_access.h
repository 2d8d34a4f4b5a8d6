/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_access.h - who may use a listener: its lists of addresses, limits and rates.
 */
#ifndef CULVERT_CONFIG_SNAPSHOT_ACCESS_H
#define CULVERT_CONFIG_SNAPSHOT_ACCESS_H

#include <stdbool.h>

#include "core/base.h"
#include "config/settings.h"
#include "config/snapshot.h"

/*
 * The list of addresses that an option of a [listen] says, owned by the snapshot; `*list` is NULL
 * when it says none. Listeners that have it from [defaults] share it. False without memory.
 */
bool snapshot_address_list(struct snapshot *snapshot, const struct settings *settings,
                           const struct section *section, enum option_id option,
                           struct address_list **list) CULVERT_MUST_CHECK;

/* A rate of VALUE_RATE that may be used up within `burst_ms`. */
struct rate snapshot_rate(const struct settings *settings, const struct section *section,
                          enum option_id option, int64_t burst_ms);

/* How long a rate may be made up for at once: all connections, those of one source, bytes. */
#define CONNECTION_BURST_MS 100
#define SOURCE_BURST_MS 1000
#define BYTES_BURST_MS 50

/* The rules and limits of the listener. False without memory. */
bool snapshot_access_fill(struct snapshot *snapshot, const struct settings *settings,
                          const struct section *section,
                          struct listener_config *listener) CULVERT_MUST_CHECK;

#endif
