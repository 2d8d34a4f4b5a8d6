/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.c - RLIMIT_NOFILE and the descriptor table.
 */
#include "daemon/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

/* Some container engines set a hard limit of a thousand million. `auto` takes this much of it, or
   what an explicit max_connections may need. */
#define AUTO_OPEN_FILES (1 << 20)

/* Descriptors a session needs at most (a builtin: server has a third), and what else is open. */
#define SESSION_DESCRIPTORS 3
#define OTHER_DESCRIPTORS 65536

static rlim_t wanted_open_files(const struct process_config *config, rlim_t hard)
{
    rlim_t wanted = AUTO_OPEN_FILES;

    if (config->open_files > 0)
        return (rlim_t)config->open_files;
    if (config->max_connections > 0) {
        rlim_t needed = (rlim_t)config->max_connections * SESSION_DESCRIPTORS + OTHER_DESCRIPTORS;

        if (needed > wanted)
            wanted = needed;
    }
    if (wanted > INT_MAX)
        wanted = INT_MAX;
    return wanted < hard ? wanted : hard;
}

int limits_reachable_open_files(const struct process_config *config)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return config->open_files > 0 ? config->open_files : AUTO_OPEN_FILES;
    return (int)wanted_open_files(config, limit.rlim_max);
}

int limits_raise_open_files(const struct process_config *config, struct error *error)
{
    struct rlimit limit;
    rlim_t hard;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1) {
        error_set(error, EX_OSERR, "getrlimit: %s", strerror(errno));
        return -1;
    }
    hard = limit.rlim_max;
    limit.rlim_cur = wanted_open_files(config, hard);
    if (limit.rlim_cur > hard) /* allowed to the privileged */
        limit.rlim_max = limit.rlim_cur;
    if (setrlimit(RLIMIT_NOFILE, &limit) == -1) {
        error_set(error, EX_CONFIG,
                  "open_files = %d is above the hard limit %llu (RLIMIT_NOFILE); raise LimitNOFILE "
                  "or set open_files = auto",
                  config->open_files, (unsigned long long)hard);
        return -1;
    }
    return (int)limit.rlim_cur;
}

void limits_presize_descriptors(int open_files)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, open_files - 1);

    if (fd != -1)
        close(fd);
}
