/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_group.c - opening everything before anything starts, and speaking to all workers at once.
 */
#include "daemon/worker_group.h"

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/log.h"
#include "net/socket.h"
#include "relay/source_table.h"
#include "worker/mailbox.h"

/* How often, and how long each time, the stop naps while a worker neither ends nor ends sessions:
   0.6 s of the second in which the process must be gone. */
#define STOP_NAPS 120
#define STOP_NAP_MS 5

struct worker_group {
    struct worker_shared shared;
    struct worker **workers;
    struct snapshot *snapshot;
    struct bound_addr *bound; /* one per bind of each listener, in their order */
    unsigned bound_count;
    unsigned started_count;
};

static unsigned count_binds(const struct snapshot *snapshot)
{
    unsigned count = 0;

    for (unsigned i = 0; i < snapshot->listener_count; i++)
        count += snapshot->listeners[i].bind_count;
    return count;
}

static bool make_workers(struct worker_group *group, struct logger *logger, struct error *error)
{
    unsigned count = (unsigned)group->snapshot->process.workers;

    group->workers = calloc(count, sizeof(*group->workers));
    if (group->workers == NULL)
        return error_set(error, EX_OSERR, "out of memory");
    group->shared.workers = group->workers;
    while (group->shared.worker_count < count) {
        unsigned number = group->shared.worker_count;
        struct worker *worker = worker_create(number, &group->shared, group->snapshot,
                                              logger_ring(logger, number + 1), error);

        if (worker == NULL)
            return false;
        group->workers[number] = worker;
        group->shared.worker_count++;
    }
    return true;
}

/* Gives each worker its socket; those that no worker took are closed. */
static bool hand_out(struct worker_group *group, unsigned listener_index, const int *fds,
                     struct error *error)
{
    unsigned count = group->shared.worker_count;
    bool is_only = count > 1 && fds[1] == -1;
    bool has_room = true;

    for (unsigned i = 0; i < count; i++) {
        struct worker_listen listen = {
            .listener_index = listener_index, .fd = fds[i], .is_only_socket = is_only};

        if (fds[i] == -1)
            continue;
        if (has_room && worker_add_listen(group->workers[i], &listen))
            continue;
        has_room = false;
        close(fds[i]);
    }
    return has_room || error_set(error, EX_OSERR, "out of memory");
}

static bool open_bind(struct worker_group *group, const struct listener_config *listener,
                      unsigned bind_index, struct error *error)
{
    const struct addr *addr = &listener->binds[bind_index];
    struct bound_addr *bound = &group->bound[group->bound_count];
    unsigned count = group->shared.worker_count;
    int *fds = malloc(count * sizeof(*fds));
    bool is_open;

    if (fds == NULL)
        return error_set(error, EX_OSERR, "out of memory");
    if (!socket_listen(addr, &listener->listen, fds, (int)count, error)) {
        free(fds);
        return error_prefix(error, "[listen %s]", listener->name);
    }
    *bound = (struct bound_addr){.listener_index = listener->index, .addr = *addr};
    if (addr->family != AF_UNIX)
        (void)socket_local_addr(fds[0], &bound->addr);
    group->bound_count++;
    is_open = hand_out(group, listener->index, fds, error);
    free(fds);
    return is_open;
}

static bool open_listeners(struct worker_group *group, struct error *error)
{
    const struct snapshot *snapshot = group->snapshot;

    group->bound = calloc(count_binds(snapshot) + 1, sizeof(*group->bound));
    if (group->bound == NULL)
        return error_set(error, EX_OSERR, "out of memory");
    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        for (unsigned j = 0; j < snapshot->listeners[i].bind_count; j++) {
            if (!open_bind(group, &snapshot->listeners[i], j, error))
                return false;
        }
    }
    return true;
}

static bool has_original(const struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->pool_count; i++) {
        if (snapshot->pools[i].options.is_original)
            return true;
    }
    return false;
}

/* Where sessions with `server = original` may not go: back to a listener. */
static bool note_listening(struct worker_group *group, struct error *error)
{
    struct worker_shared *shared = &group->shared;

    if (!has_original(group->snapshot))
        return true;
    shared->own_connects = own_connects_create();
    shared->listening = calloc(2 * (size_t)group->bound_count + 1, sizeof(*shared->listening));
    if (shared->own_connects == NULL || shared->listening == NULL)
        return error_set(error, EX_OSERR, "out of memory");
    for (unsigned i = 0; i < group->bound_count; i++) {
        const struct bound_addr *bound = &group->bound[i];
        const struct addr *addr = &bound->addr;

        shared->listening[shared->listening_count++] = *addr;
        /* The IPv6 wildcard takes connections to IPv4 addresses, too. */
        if (addr->family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr->v6) &&
            !group->snapshot->listeners[bound->listener_index].listen.v6_only)
            shared->listening[shared->listening_count++] =
                (struct addr){.family = AF_INET, .port = addr->port};
    }
    return true;
}

/* Room kept for the reads that all workers may have begun at once: one of each, but never so much
   that a small buffer_memory leaves no room to begin any. */
static size_t buffer_margin(size_t limit_bytes, unsigned worker_count)
{
    size_t margin = worker_count * BUFFER_READ_BYTES;

    return margin < limit_bytes / 2 ? margin : limit_bytes / 2;
}

struct worker_group *worker_group_open(struct snapshot *snapshot, const struct budget *budget,
                                       struct logger *logger, struct error *error)
{
    struct worker_group *group = calloc(1, sizeof(*group));

    if (group == NULL) {
        error_set(error, EX_OSERR, "out of memory");
        return NULL;
    }
    group->snapshot = snapshot_ref(snapshot);
    group->shared.max_connections = budget->max_connections;
    group->shared.buffers.limit_bytes = snapshot->process.buffer_memory;
    group->shared.buffers.margin_bytes =
        buffer_margin(snapshot->process.buffer_memory, (unsigned)snapshot->process.workers);
    group->shared.pipes.limit = budget->max_pipes;
    group->shared.pipes.pipe_bytes = snapshot->process.pipe_size;
    group->shared.log_wake_fd = logger_wake_fd(logger);
    if (source_table_is_wanted(snapshot)) {
        group->shared.sources = source_table_create((size_t)snapshot->process.tracked_ips,
                                                    snapshot->process.ipv6_prefix);
        if (group->shared.sources == NULL) {
            error_set(error, EX_OSERR, "out of memory for tracked_ips");
            worker_group_close(group);
            return NULL;
        }
    }
    if (make_workers(group, logger, error) && open_listeners(group, error) &&
        note_listening(group, error))
        return group;
    worker_group_close(group);
    return NULL;
}

/* The number of the n-th CPU this process may use, counted around; -1 when that is not known. */
static int nth_cpu(unsigned n)
{
    cpu_set_t allowed;
    int count;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) == -1)
        return -1;
    count = CPU_COUNT(&allowed);
    if (count == 0)
        return -1;
    n %= (unsigned)count;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && n-- == 0)
            return cpu;
    }
    return -1;
}

bool worker_group_start(struct worker_group *group, struct error *error)
{
    while (group->started_count < group->shared.worker_count) {
        unsigned number = group->started_count;
        int cpu = group->snapshot->process.cpu_affinity ? nth_cpu(number) : -1;

        if (!worker_start(group->workers[number], cpu, error))
            return false;
        group->started_count++;
    }
    return true;
}

struct worker_shared *worker_group_shared(struct worker_group *group)
{
    return &group->shared;
}

const struct bound_addr *worker_group_bound(const struct worker_group *group, unsigned *count)
{
    *count = group->bound_count;
    return group->bound;
}

int worker_group_sessions(const struct worker_group *group)
{
    return atomic_load(&group->shared.sessions);
}

int worker_group_unfinished(const struct worker_group *group)
{
    bool is_accepting = false;
    int sessions;

    for (unsigned i = 0; i < group->started_count; i++)
        is_accepting |= worker_is_accepting(group->workers[i]);
    sessions = worker_group_sessions(group); /* after the look: those it took are counted */
    return sessions == 0 && is_accepting ? 1 : sessions;
}

uint64_t worker_group_closed(const struct worker_group *group, enum close_reason reason)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < group->shared.worker_count; i++) {
        const struct relay_counters *counters = worker_counters(group->workers[i]);

        for (unsigned j = 0; j < group->snapshot->tally_count; j++)
            count += counter_get(&counters->tallies[j].closed[reason]);
    }
    return count;
}

static void post(struct worker_group *group, unsigned number, const struct message *message)
{
    if (!mailbox_post(worker_mailbox(group->workers[number]), message))
        log_message(LOG_ERROR, "worker_unreachable",
                    "worker %u got no message: out of memory, or it has ended", number);
}

void worker_group_drain(struct worker_group *group)
{
    struct message message = {.kind = MESSAGE_DRAIN, .fd = -1};

    for (unsigned i = 0; i < group->started_count; i++)
        post(group, i, &message);
}

void worker_group_cut(struct worker_group *group, int count)
{
    for (unsigned i = 0; i < group->started_count && count > 0; i++) {
        int sessions = worker_sessions(group->workers[i]);
        struct message message = {
            .kind = MESSAGE_CUT, .fd = -1, .count = sessions < count ? sessions : count};

        if (sessions > 0)
            post(group, i, &message);
        count -= message.count;
    }
}

/* Removes the files of unix sockets that are closed by now. */
static void unlink_sockets(struct worker_group *group)
{
    for (unsigned i = 0; i < group->bound_count; i++)
        socket_unlink(&group->bound[i].addr);
}

/*
 * Waits for the end of a thread as long as it ends sessions. Patience is counted in naps, not in
 * time: on a machine so busy that the worker gets no turn, this thread gets none either.
 */
static bool wait_for_end(const struct worker *worker)
{
    int sessions = worker_sessions(worker);

    for (int naps = 0; naps < STOP_NAPS && !worker_has_ended(worker); naps++) {
        int now = worker_sessions(worker);

        if (now != sessions) {
            sessions = now;
            naps = 0;
        }
        poll(NULL, 0, STOP_NAP_MS);
    }
    return worker_has_ended(worker);
}

bool worker_group_stop(struct worker_group *group, unsigned *stuck)
{
    struct message message = {.kind = MESSAGE_STOP, .fd = -1};

    for (unsigned i = 0; i < group->started_count; i++)
        post(group, i, &message);
    for (unsigned i = 0; i < group->started_count; i++) {
        if (!wait_for_end(group->workers[i])) {
            *stuck = i;
            return false;
        }
    }
    for (unsigned i = 0; i < group->started_count; i++)
        worker_join(group->workers[i]);
    group->started_count = 0;
    unlink_sockets(group);
    return true;
}

void worker_group_close(struct worker_group *group)
{
    unsigned stuck;

    if (group == NULL || !worker_group_stop(group, &stuck))
        return;
    for (unsigned i = 0; i < group->shared.worker_count; i++)
        worker_destroy(group->workers[i]);
    unlink_sockets(group); /* of workers that never started */
    source_table_destroy(group->shared.sources);
    free(group->workers);
    free(group->bound);
    free(group->shared.listening);
    own_connects_destroy(group->shared.own_connects);
    snapshot_unref(group->snapshot);
    free(group);
}
