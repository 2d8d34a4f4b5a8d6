/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.h - how many descriptors the process may have, and room for them.
 */
#ifndef CULVERT_DAEMON_LIMITS_H
#define CULVERT_DAEMON_LIMITS_H

#include <stdbool.h>

#include "core/base.h"
#include "core/error.h"
#include "config/snapshot.h"

/*
 * What limits_raise_open_files() would reach, without changing anything (for -t). `open_files` and
 * `max_connections` as in [culvert] and [limits]; 0 = auto.
 */
int limits_reachable_open_files(const struct process_config *config);

/*
 * Sets the soft RLIMIT_NOFILE: to the hard one with open_files = auto, else to open_files. Returns
 * the limit in force, or -1 with the error set (exit code 78) when open_files is out of reach.
 */
int limits_raise_open_files(const struct process_config *config, struct error *error);

/*
 * Grows the kernel's descriptor table to `open_files` places now, while there is one thread: later
 * each doubling would wait for all threads (setting it up costs 8 bytes a place).
 */
void limits_presize_descriptors(int open_files);

#endif
