/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_value.h - single values of the settings in the form that a snapshot holds.
 */
#ifndef CULVERT_CONFIG_SNAPSHOT_VALUE_H
#define CULVERT_CONFIG_SNAPSHOT_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/base.h"
#include "net/addr.h"
#include "pool/pool.h"
#include "config/settings.h"

/* A copy for free(3); NULL stays NULL. False without memory. */
bool snapshot_copy(char **copy, const char *text) CULVERT_MUST_CHECK;

/* The group that an option names; (gid_t)-1 when it is not set. */
gid_t snapshot_group(const struct settings *settings, const struct section *section,
                     enum option_id option);

/*
 * How many addresses a bind stands for: a host name for all of its own. Unless NULL, `addrs` has
 * room for them and gets them; unix paths stay owned by the settings.
 */
size_t snapshot_binds(const struct setting *bind, struct addr *addrs);

/* Gives the pool its addresses to connect from. False without memory. */
bool snapshot_sources(const struct setting *source,
                      struct pool_options *options) CULVERT_MUST_CHECK;

#endif
