/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.h - what the machine, or the container, gives this process.
 */
#ifndef CULVERT_CONFIG_MACHINE_H
#define CULVERT_CONFIG_MACHINE_H

#include <stdint.h>

#include "core/base.h"

/*
 * Processors this process may use: the fewer of its affinity and of the cgroup's quota, rounded up;
 * at least 1. `root` is where /proc and /sys are found: "" but in tests.
 */
int machine_processors(const char *root);

/* Bytes of memory: the less of the machine's and of the cgroup's limit. */
uint64_t machine_memory(const char *root);

#endif
