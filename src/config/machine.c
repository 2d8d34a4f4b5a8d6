/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.c - affinity and control groups, versions 1 and 2 (cgroups(7)).
 *
 * A limit of any group above ours binds us, too, so every level up to the root is looked at. Inside
 * a container the path in /proc/self/cgroup may not exist under /sys; then the root is ours.
 */
#include "config/machine.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"

/* The first line of a small file; false when there is none. */
static bool read_line(const char *path, char *line, size_t size)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return false;
    bool is_read = fgets(line, (int)size, file) != NULL;
    fclose(file);
    if (is_read)
        line[strcspn(line, "\n")] = '\0';
    return is_read;
}

/*
 * Where this process stands in the hierarchy of a version 1 controller, or ("") of version 2, from
 * lines "number:controllers:path".
 */
static bool find_group(const char *root, const char *controller, char *group, size_t size)
{
    char name[PATH_MAX];
    char line[PATH_MAX + 128];
    bool is_found = false;

    snprintf(name, sizeof(name), "%s/proc/self/cgroup", root);
    FILE *file = fopen(name, "re");
    if (file == NULL)
        return false;
    while (!is_found && fgets(line, sizeof(line), file) != NULL) {
        char *controllers = strchr(line, ':');
        char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');

        if (path == NULL)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        char *rest = controllers + 1;
        char *word;
        while (!is_found && (word = strsep(&rest, ",")) != NULL)
            is_found = strcmp(word, controller) == 0;
        if (is_found)
            snprintf(group, size, "%s", path);
    }
    fclose(file);
    return is_found;
}

/* What a limit file of one level says; false when it sets none. */
typedef bool (*read_limit)(const char *folder, uint64_t *limit);

/* The least limit of a group and those above it; UINT64_MAX without any. */
static uint64_t least_limit(const char *root, const char *hierarchy, char *group, read_limit read)
{
    uint64_t least = UINT64_MAX;

    while (true) {
        char folder[2 * PATH_MAX];
        uint64_t limit;

        snprintf(folder, sizeof(folder), "%s" CGROUPS "%s%s", root, hierarchy, group);
        if (read(folder, &limit) && limit < least)
            least = limit;
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

static bool parse_number(const char *text, uint64_t *number)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && (*end == '\0' || *end == ' ');
}

/* Processors, rounded up, from a quota and its period in microseconds. */
static bool processors_of(uint64_t quota, uint64_t period, uint64_t *limit)
{
    if (period == 0 || quota == 0)
        return false;
    *limit = (quota + period - 1) / period;
    return true;
}

/* cpu.max: "200000 100000" or "max 100000". */
static bool read_cpu_max(const char *folder, uint64_t *limit)
{
    char name[2 * PATH_MAX + 32];
    char line[128];
    uint64_t quota;
    uint64_t period;

    snprintf(name, sizeof(name), "%s/cpu.max", folder);
    if (!read_line(name, line, sizeof(line)))
        return false;
    const char *blank = strchr(line, ' ');
    return blank != NULL && parse_number(line, &quota) && parse_number(blank + 1, &period) &&
           processors_of(quota, period, limit);
}

static bool read_cfs_quota(const char *folder, uint64_t *limit)
{
    char name[2 * PATH_MAX + 32];
    char line[128];
    uint64_t quota;
    uint64_t period;

    snprintf(name, sizeof(name), "%s/cpu.cfs_quota_us", folder);
    if (!read_line(name, line, sizeof(line)) || !parse_number(line, &quota))
        return false;
    snprintf(name, sizeof(name), "%s/cpu.cfs_period_us", folder);
    return read_line(name, line, sizeof(line)) && parse_number(line, &period) &&
           processors_of(quota, period, limit);
}

static bool read_memory_max(const char *folder, uint64_t *limit)
{
    char name[2 * PATH_MAX + 32];
    char line[128];

    snprintf(name, sizeof(name), "%s/memory.max", folder);
    return read_line(name, line, sizeof(line)) && parse_number(line, limit);
}

static bool read_memory_limit(const char *folder, uint64_t *limit)
{
    char name[2 * PATH_MAX + 32];
    char line[128];

    snprintf(name, sizeof(name), "%s/memory.limit_in_bytes", folder);
    return read_line(name, line, sizeof(line)) && parse_number(line, limit);
}

static uint64_t group_limit(const char *root, const char *controller, read_limit read_1,
                            read_limit read_2)
{
    char hierarchy[64];
    char group[PATH_MAX] = "";
    uint64_t limit_1;
    uint64_t limit_2;

    snprintf(hierarchy, sizeof(hierarchy), "/%s", controller);
    if (!find_group(root, controller, group, sizeof(group)))
        group[0] = '\0';
    limit_1 = least_limit(root, hierarchy, group, read_1);
    if (!find_group(root, "", group, sizeof(group)))
        group[0] = '\0';
    limit_2 = least_limit(root, "", group, read_2);
    return limit_1 < limit_2 ? limit_1 : limit_2;
}

/* Processors of the affinity mask, which may be longer than cpu_set_t. */
static int affinity_processors(void)
{
    for (int most = 1024; most <= 1 << 16; most *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)most);
        size_t size = CPU_ALLOC_SIZE((size_t)most);
        int count = -1;

        if (set == NULL)
            break;
        if (sched_getaffinity(0, size, set) == 0)
            count = CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (count > 0)
            return count;
    }
    return 1;
}

int machine_processors(const char *root)
{
    int processors = affinity_processors();
    uint64_t limit = group_limit(root, "cpu", read_cfs_quota, read_cpu_max);

    if (limit < (uint64_t)processors)
        processors = (int)limit;
    return processors < 1 ? 1 : processors;
}

uint64_t machine_memory(const char *root)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGE_SIZE);
    uint64_t memory =
        pages < 1 || page_bytes < 1 ? (uint64_t)1 << 30 : (uint64_t)pages * (uint64_t)page_bytes;
    uint64_t limit = group_limit(root, "memory", read_memory_limit, read_memory_max);

    return limit < memory ? limit : memory;
}
