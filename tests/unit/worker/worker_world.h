/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_world.h - for tests: workers over a snapshot made by hand (relay/relay_world.h).
 *
 * Every worker listens on the same port of loopback. Either the test starts their threads, or it
 * runs their loops itself, in turn, with WORKERS_RUN_UNTIL(): then everything happens in one thread
 * and in a known order. Include <cmocka.h> before.
 */
#ifndef CULVERT_TEST_WORKER_WORKER_WORLD_H
#define CULVERT_TEST_WORKER_WORKER_WORLD_H

#include <sys/resource.h>

#include "core/error.h"
#include "relay/relay_world.h"
#include "worker/worker.h"
#include "worker/worker_internal.h"

#define WORKER_WORLD_WORKERS 2

struct worker_world {
    struct relay_world relay; /* its snapshot; not its resources */
    struct worker_shared shared;
    struct worker *workers[WORKER_WORLD_WORKERS];
    struct log_ring *rings[WORKER_WORLD_WORKERS];
    int listen_fds[WORKER_WORLD_WORKERS]; /* owned by the workers */
    uint16_t port;
    bool has_threads;
};

/* Runs the loops of workers without threads in turn until the condition holds. */
#define WORKERS_RUN_UNTIL(world, condition)                                                        \
    do {                                                                                           \
        int64_t run_until_us = clock_now_us() + RELAY_WORLD_DEADLINE_US;                           \
                                                                                                   \
        while (!(condition)) {                                                                     \
            if (clock_now_us() > run_until_us)                                                     \
                fail_msg("it never came true: %s", #condition);                                    \
            worker_world_turn(world);                                                              \
        }                                                                                          \
    } while (false)

/* Waits until something is true of workers that have threads. */
#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        int64_t wait_until_us = clock_now_us() + RELAY_WORLD_DEADLINE_US;                          \
                                                                                                   \
        while (!(condition)) {                                                                     \
            if (clock_now_us() > wait_until_us)                                                    \
                fail_msg("it never came true: %s", #condition);                                    \
            poll(NULL, 0, 1);                                                                      \
        }                                                                                          \
    } while (false)

/* The snapshot with one built-in server; the test may change it before worker_world_start(). */
static inline void worker_world_configure(struct worker_world *world, enum builtin_service service)
{
    struct rlimit files;

    memset(world, 0, sizeof(*world));
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < 16384 ? files.rlim_max : 16384;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    relay_world_configure(&world->relay, 1);
    world->relay.servers[0].builtin = service;
    world->relay.snapshot.process.on_limit = ON_LIMIT_PAUSE;
    world->shared.buffers = world->relay.buffers;
    world->shared.buffers.margin_bytes *= WORKER_WORLD_WORKERS;
    world->shared.pipes = world->relay.pipes;
    world->shared.max_connections = 100000;
    world->shared.log_wake_fd = -1;
}

/* Makes the workers, listening; `count` of them. */
static inline void worker_world_start(struct worker_world *world, unsigned count)
{
    const struct listen_options options = {
        .backlog = 512, .socket_group = (gid_t)-1, .socket = {.nodelay = true}};
    struct addr addr = {.family = AF_INET};
    struct addr bound;
    struct error error = {0};

    addr.v4.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(pool_prepare(&world->relay.pool));
    world->relay.listener.router = router_create(&world->relay.pool);
    assert_non_null(world->relay.listener.router);
    assert_true(socket_listen(&addr, &options, world->listen_fds, (int)count, &error));
    assert_true(socket_local_addr(world->listen_fds[0], &bound));
    world->port = bound.port;
    world->shared.workers = world->workers;
    world->shared.worker_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct worker_listen listen = {.fd = world->listen_fds[i]};

        world->rings[i] = log_ring_create(4096);
        assert_non_null(world->rings[i]);
        world->workers[i] =
            worker_create(i, &world->shared, &world->relay.snapshot, world->rings[i], &error);
        assert_non_null(world->workers[i]);
        assert_true(worker_add_listen(world->workers[i], &listen));
    }
}

/* Starts the threads. */
static inline void worker_world_run(struct worker_world *world)
{
    struct error error = {0};

    for (unsigned i = 0; i < world->shared.worker_count; i++)
        assert_true(worker_start(world->workers[i], -1, &error));
    world->has_threads = true;
}

/* Watches the listening sockets of workers without threads. */
static inline void worker_world_listen(struct worker_world *world)
{
    for (unsigned i = 0; i < world->shared.worker_count; i++)
        assert_true(listener_open(&world->workers[i]->listeners[0]));
}

static inline void worker_world_turn(struct worker_world *world)
{
    for (unsigned i = 0; i < world->shared.worker_count; i++) {
        log_attach(world->rings[i], -1);
        event_base_loop(world->workers[i]->base, EVLOOP_NONBLOCK);
    }
    log_attach(NULL, -1);
    poll(NULL, 0, 1);
}

static inline void worker_world_post(struct worker_world *world, unsigned worker,
                                     struct message message)
{
    assert_true(mailbox_post(worker_mailbox(world->workers[worker]), &message));
}

/* Ends all sessions, stops the workers, and checks that everything was given back. */
static inline void worker_world_close(struct worker_world *world)
{
    unsigned count = world->shared.worker_count;

    if (world->has_threads) {
        for (unsigned i = 0; i < count; i++)
            worker_world_post(world, i, (struct message){.kind = MESSAGE_STOP});
        for (unsigned i = 0; i < count; i++)
            worker_join(world->workers[i]);
    } else {
        for (unsigned i = 0; i < count; i++)
            worker_world_post(world, i, (struct message){.kind = MESSAGE_CUT, .count = 1000000});
        WORKERS_RUN_UNTIL(world, world->shared.sessions == 0);
    }
    for (unsigned i = 0; i < count; i++) {
        assert_true(list_is_empty(&world->workers[i]->resources.sessions));
        assert_int_equal(worker_sessions(world->workers[i]), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        worker_destroy(world->workers[i]);
        log_ring_destroy(world->rings[i]);
    }
    assert_int_equal(world->shared.sessions, 0);
    assert_int_equal(world->relay.listener.sessions, 0);
    assert_int_equal(world->relay.servers[0].active, 0);
    assert_int_equal(world->relay.snapshot.references, 1);
    assert_int_equal(world->shared.buffers.used_bytes, 0);
    assert_int_equal(world->shared.pipes.open_pipes, 0);
    router_destroy(world->relay.listener.router);
    pool_members_free(world->relay.pool.members);
    for (unsigned i = 0; i < RELAY_WORLD_SERVERS; i++)
        peer_close(&world->relay.server_fds[i]);
}

/* The sum of a listener counter over the workers. */
static inline uint64_t worker_world_accepted(const struct worker_world *world)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < world->shared.worker_count; i++)
        sum += counter_get(&worker_counters(world->workers[i])->listeners[0].accepted);
    return sum;
}

/* How many sessions closed for this reason, whatever their pool. */
static inline uint64_t worker_world_closed(const struct worker_world *world,
                                           enum close_reason reason)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < world->shared.worker_count; i++) {
        for (int tally = 0; tally < 2; tally++)
            sum += counter_get(&worker_counters(world->workers[i])->tallies[tally].closed[reason]);
    }
    return sum;
}

/* The next session record of any worker; false when there is none. */
static inline bool worker_world_record(struct worker_world *world, struct session_record *session)
{
    for (unsigned i = 0; i < world->shared.worker_count; i++) {
        const struct log_record *record;

        while ((record = log_ring_peek(world->rings[i])) != NULL) {
            bool is_end = record->expand == session_record_expand_end;

            if (is_end)
                memcpy(session, record->payload, sizeof(*session));
            log_ring_pop(world->rings[i]);
            if (is_end)
                return true;
        }
    }
    return false;
}

#endif
