/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget.c - whether the descriptors suffice: 2 per session, 2 per pipe, and a reserve.
 */
#include <stdio.h>
#include <string.h>

#include "health/checker.h"
#include "config/config.h"

/* Logs, event loops, the standard streams and what libraries open. */
#define RESERVE_BASE 64

/* Connections of the control API. */
#define RESERVE_ADMIN 16

/* Event loop, mailbox, timer and two of slack of a worker; the base has room for those of eight. */
#define DESCRIPTORS_PER_WORKER 5
#define WORKERS_IN_BASE 8

/* Automatic pipes get at most one descriptor in so many; sessions need theirs first. */
#define PIPE_SHARE 8

/* Beside an explicit max_connections automatic pipes insist on this many at most. */
#define PIPES_ENOUGH 64

/* Of the servers that a name may turn out to stand for so many are counted on. */
#define DISCOVERED_AT_ONCE 64

/* Sockets of checks: as many as may be open at once. */
static int check_descriptors(const struct snapshot *snapshot)
{
    unsigned count = 0;

    for (unsigned i = 0; snapshot->health != NULL && i < snapshot->pool_count; i++) {
        const struct pool *pool = &snapshot->pools[i];
        unsigned to_come = pool->capacity - pool->server_count;

        if (snapshot->health[i] != NULL)
            count +=
                pool->server_count + (to_come < DISCOVERED_AT_ONCE ? to_come : DISCOVERED_AT_ONCE);
    }
    if (count == 0)
        return 0;
    return DESCRIPTOR_RESERVE_COUNT + (int)(count < CHECKS_AT_ONCE ? count : CHECKS_AT_ONCE);
}

static int reserve_of(const struct snapshot *snapshot)
{
    const struct process_config *process = &snapshot->process;
    int reserve = RESERVE_BASE;
    bool has_admin = process->admin_socket != NULL || process->admin_bind_count > 0 ||
                     process->metrics_bind_count > 0;

    if (has_admin)
        reserve += RESERVE_ADMIN + (process->admin_socket != NULL) +
                   (int)process->admin_bind_count + (int)process->metrics_bind_count;
    if (process->workers > WORKERS_IN_BASE)
        reserve += DESCRIPTORS_PER_WORKER * (process->workers - WORKERS_IN_BASE);
    reserve += check_descriptors(snapshot);
    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        const struct listener_config *listener = &snapshot->listeners[i];

        for (unsigned k = 0; k < listener->bind_count; k++)
            reserve += listener->binds[k].family == AF_UNIX ? 1 : process->workers;
    }
    return reserve;
}

static bool has_builtin(const struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->pool_count; i++) {
        for (unsigned k = 0; k < snapshot->pools[i].server_count; k++) {
            if (snapshot->pools[i].servers[k]->builtin != BUILTIN_NONE)
                return true;
        }
    }
    return false;
}

static int64_t total_of(const struct budget *budget)
{
    return (int64_t)budget->descriptors_per_session * budget->max_connections +
           2 * (int64_t)budget->max_pipes + budget->reserve;
}

static int64_t least_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/*
 * How many of the `possible` pipes are used when [limits] max_pipes leaves it to us. Beside an
 * explicit max_connections they take what is left, but ask for a few: so the limit that
 * word_advice() names is the same whatever the present one is, and suffices.
 */
static int automatic_pipes(int64_t possible, int64_t room, int64_t for_sessions)
{
    int64_t share = least_of(possible, room / PIPE_SHARE / 2);
    int64_t left = (room - for_sessions) / 2;
    int64_t wanted =
        least_of(least_of(possible, PIPES_ENOUGH), for_sessions / (2 * PIPE_SHARE - 2));

    if (for_sessions == 0)
        return room > 0 ? (int)share : 0;
    return (int)(left < wanted ? wanted : least_of(share, left));
}

static void word_advice(struct budget *budget, int64_t total, int64_t most)
{
    if (most >= 1)
        snprintf(budget->advice, sizeof(budget->advice),
                 "raise LimitNOFILE to %lld or set max_connections = %lld", (long long)total,
                 (long long)most);
    else
        snprintf(budget->advice, sizeof(budget->advice), "raise LimitNOFILE to %lld",
                 (long long)total);
}

void config_budget(const struct snapshot *snapshot, int open_files, int max_pipes,
                   struct budget *budget)
{
    bool is_pipes_auto = snapshot->process.max_pipes < 0;
    int64_t room;

    *budget = (struct budget){.open_files = open_files, .max_pipes = max_pipes};
    budget->reserve = reserve_of(snapshot);
    budget->descriptors_per_session = has_builtin(snapshot) ? 3 : 2;
    room = (int64_t)open_files - budget->reserve;
    if (is_pipes_auto)
        budget->max_pipes = automatic_pipes(max_pipes, room,
                                            (int64_t)budget->descriptors_per_session *
                                                snapshot->process.max_connections);
    int64_t most = (room - 2 * (int64_t)budget->max_pipes) / budget->descriptors_per_session;
    budget->max_connections = snapshot->process.max_connections;
    budget->bound_by = "max_connections";
    if (budget->max_connections == 0) {
        budget->max_connections = most < 1 ? 1 : (int)most;
        budget->bound_by = "open_files";
    }
    int64_t total = total_of(budget);
    budget->fits = total <= open_files;
    snprintf(budget->line, sizeof(budget->line),
             "fds: %d\u00b7%d sessions + 2\u00b7%d pipes + %d = %lld %s RLIMIT_NOFILE",
             budget->descriptors_per_session, budget->max_connections, budget->max_pipes,
             budget->reserve, (long long)total,
             total == open_files  ? "="
             : total < open_files ? "<"
                                  : ">");
    if (total != open_files) {
        size_t length = strlen(budget->line);

        snprintf(budget->line + length, sizeof(budget->line) - length, " %d", open_files);
    }
    if (!budget->fits)
        word_advice(budget, total, most);
}
