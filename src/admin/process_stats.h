/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_stats.h - what the kernel says about this process.
 */
#ifndef CULVERT_ADMIN_PROCESS_STATS_H
#define CULVERT_ADMIN_PROCESS_STATS_H

#include <stdint.h>

struct process_stats {
    double cpu_seconds; /* user and system, all threads */
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t open_fds;
    uint64_t max_fds; /* the soft limit */
};

/* What cannot be read stays 0. */
void process_stats_read(struct process_stats *stats);

#endif
