/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transparency.h - whether connecting from clients' addresses is wanted, and allowed.
 */
#ifndef CULVERT_DAEMON_TRANSPARENCY_H
#define CULVERT_DAEMON_TRANSPARENCY_H

#include <stdbool.h>

#include "core/base.h"
#include "core/error.h"
#include "config/snapshot.h"

/* Whether sessions need the right when they connect. Listeners need it only at the start. */
bool transparency_is_wanted(const struct snapshot *snapshot);

/* Tries what sessions will do, with the rights that stay. Exit code 77 when it is refused. */
bool transparency_check(const struct snapshot *snapshot, struct error *error) CULVERT_MUST_CHECK;

#endif
