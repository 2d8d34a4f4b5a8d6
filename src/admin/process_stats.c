/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_stats.c - getrusage(2), getrlimit(2) and /proc/self.
 */
#include "admin/process_stats.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void read_memory(struct process_stats *stats)
{
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    uint64_t virtual_pages;
    uint64_t resident_pages;

    if (file == NULL)
        return;
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &virtual_pages, &resident_pages) == 2) {
        stats->virtual_bytes = virtual_pages * page_bytes;
        stats->resident_bytes = resident_pages * page_bytes;
    }
    fclose(file);
}

static uint64_t count_fds(void)
{
    struct stat status;
    uint64_t count = 0;
    DIR *folder;

    /* Since Linux 6.2 the folder's size is the number of its entries (proc(5)). */
    if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0)
        return (uint64_t)status.st_size;
    folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count - 3; /* ".", ".." and the folder itself */
}

void process_stats_read(struct process_stats *stats)
{
    struct rusage usage;
    struct rlimit limit;

    memset(stats, 0, sizeof(*stats));
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        stats->cpu_seconds = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        stats->max_fds = limit.rlim_cur;
    read_memory(stats);
    stats->open_fds = count_fds();
}
