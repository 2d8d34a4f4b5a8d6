/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_pool.h - the pools of a snapshot, and what listeners have in common with them.
 */
#ifndef CULVERT_CONFIG_SNAPSHOT_POOL_H
#define CULVERT_CONFIG_SNAPSHOT_POOL_H

#include <stdbool.h>

#include "core/base.h"
#include "net/socket.h"
#include "tls/tls_profile.h"
#include "config/settings.h"
#include "config/snapshot.h"
#include "config/tls_uses.h"

/* Makes the pools of all [pool] sections, in their order, then those of listeners with servers of
   their own, whose numbers it writes to `pool_of_listener` (by section number). Wants the process's
   part of the snapshot to be filled. False without memory. */
bool snapshot_fill_pools(struct snapshot *snapshot, const struct settings *settings,
                         struct tls_uses *tls, unsigned *pool_of_listener) CULVERT_MUST_CHECK;

/* The seven socket options of a section, of which `nodelay` is the first: those of [pool], or of
   [listen] where the client's side is meant. */
struct socket_options snapshot_socket_options(const struct settings *settings,
                                              const struct section *section,
                                              enum option_id nodelay);

/* The profile that an option `tls` names; NULL: off. */
struct tls_profile *snapshot_profile(const struct settings *settings, struct tls_uses *tls,
                                     enum tls_role role, const struct section *section,
                                     enum option_id option);

#endif
