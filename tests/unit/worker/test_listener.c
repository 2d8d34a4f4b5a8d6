/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_listener.c - accepting, limits, shortages and handing over, in one thread: the test runs the
 * workers' loops itself.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event_struct.h>

#include "worker/listener.h"
#include "worker/worker_world.h"

static struct {
    int errno_of_accept; /* 0: the call goes through */
    int failures_left;   /* how often it fails; -1: always */
    unsigned accepts;
    bool calloc_fails;
    const _Atomic int *places; /* looked at in each call */
    int most_places;
} calls;

int __real_accept4(int fd, struct sockaddr *addr, socklen_t *length, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *length, int flags);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *length, int flags)
{
    calls.accepts++;
    if (calls.places != NULL && *calls.places > calls.most_places)
        calls.most_places = *calls.places;
    if (calls.errno_of_accept != 0 && calls.failures_left != 0) {
        if (calls.failures_left > 0)
            calls.failures_left--;
        errno = calls.errno_of_accept;
        return -1;
    }
    return __real_accept4(fd, addr, length, flags);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return calls.calloc_fails ? NULL : __real_calloc(count, size);
}

static int mend(void **state)
{
    memset(&calls, 0, sizeof(calls));
    return 0;
}

static void open_world(struct worker_world *world, unsigned workers)
{
    mend(NULL);
    worker_world_configure(world, BUILTIN_DISCARD);
    worker_world_start(world, workers);
    worker_world_listen(world);
}

/* A client whose connection is in the accept queue of the first worker's socket. */
static int queue_client(struct worker_world *world)
{
    int fd = tcp_connect(world->port);

    assert_int_equal(peer_poll(fd, POLLOUT, TCP_PAIR_DEADLINE_MS), POLLOUT);
    return fd;
}

static void close_all(int *fds, int count)
{
    for (int i = 0; i < count; i++)
        peer_close(&fds[i]);
}

static enum peer_end end_of(int fd)
{
    enum peer_end end = PEER_OPEN;

    peer_receive_some(fd, 0, 1, &end);
    return end;
}

static void test_a_connection_becomes_a_session_with_its_places(void **state)
{
    struct worker_world world;
    int client;

    open_world(&world, 1);
    client = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, worker_sessions(world.workers[0]) == 1);
    assert_int_equal(world.shared.sessions, 1);
    assert_int_equal(world.relay.listener.sessions, 1);
    assert_int_equal(world.relay.servers[0].active, 1);
    assert_int_equal(world.relay.snapshot.references, 3); /* ours, the worker's, the session's */
    assert_int_equal(worker_world_accepted(&world), 1);
    peer_close(&client);
    WORKERS_RUN_UNTIL(&world, world.shared.sessions == 0);
    assert_int_equal(worker_world_closed(&world, CLOSE_DONE), 1);
    worker_world_close(&world);
}

static void test_the_client_of_a_session_is_who_connected(void **state)
{
    struct worker_world world;
    struct sockaddr_in addr;
    socklen_t length = sizeof(addr);
    struct session *session;
    int client;

    open_world(&world, 1);
    client = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, world.shared.sessions == 1);
    session = CONTAINER_OF(world.workers[0]->resources.sessions.head.next, struct session, link);
    assert_int_equal(getsockname(client, (struct sockaddr *)&addr, &length), 0);
    assert_int_equal(session->client.family, AF_INET);
    assert_int_equal(session->client.port, ntohs(addr.sin_port));
    assert_int_equal(session->client.v4.s_addr, htonl(INADDR_LOOPBACK));
    peer_close(&client);
    worker_world_close(&world);
}

static void test_a_flood_of_connections_is_accepted_sixteen_per_turn(void **state)
{
    struct worker_world world;
    int clients[40];

    open_world(&world, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        clients[i] = queue_client(&world);
    event_base_loop(world.workers[0]->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(worker_world_accepted(&world), 16);
    event_base_loop(world.workers[0]->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(worker_world_accepted(&world), 32);
    WORKERS_RUN_UNTIL(&world, worker_world_accepted(&world) == 40);
    close_all(clients, ARRAY_LENGTH(clients));
    worker_world_close(&world);
}

/* Shortages */

static void check_shortage(int error, int counter)
{
    struct worker_world world;
    struct worker_gauges gauges;
    int64_t started_us;
    int client;

    open_world(&world, 1);
    calls.errno_of_accept = error;
    calls.failures_left = -1;
    client = queue_client(&world);
    started_us = clock_now_us();
    WORKERS_RUN_UNTIL(&world, calls.accepts == 3);
    /* The connection stays in the queue, and it is asked for once in 100 ms. */
    assert_true(clock_now_us() - started_us >= 180000);
    worker_read_gauges(world.workers[0], &gauges);
    for (int i = 0; i < 4; i++)
        assert_int_equal(gauges.accept_errors[i], i == counter ? 3 : 0);
    assert_int_equal(gauges.accept_errors_other, 0);
    assert_int_equal(world.shared.sessions, 0);
    assert_int_equal(world.relay.listener.sessions, 0);
    calls.errno_of_accept = 0;
    WORKERS_RUN_UNTIL(&world, world.shared.sessions == 1);
    peer_close(&client);
    worker_world_close(&world);
}

static void test_without_descriptors_or_memory_accepting_pauses_and_does_not_spin(void **state)
{
    check_shortage(EMFILE, 0);
    check_shortage(ENFILE, 1);
    check_shortage(ENOBUFS, 2);
    check_shortage(ENOMEM, 3);
}

static void test_a_pause_costs_no_turns_of_the_loop(void **state)
{
    struct worker_world world;
    int client;
    unsigned turns = 0;
    int64_t until_us;

    open_world(&world, 1);
    calls.errno_of_accept = EMFILE;
    calls.failures_left = -1;
    client = queue_client(&world);
    until_us = clock_now_us() + 300000;
    for (; clock_now_us() < until_us; turns++)
        event_base_loop(world.workers[0]->base, EVLOOP_ONCE);
    assert_true(turns <= 8);
    assert_true(calls.accepts <= 4);
    peer_close(&client);
    calls.errno_of_accept = 0;
    worker_world_close(&world);
}

/* As ss -K does to it: every accept fails from now on, and the socket is always ready. */
static void test_a_listening_socket_that_is_dead_does_not_spin(void **state)
{
    struct worker_world world;
    struct worker_gauges gauges;
    int64_t started_us;

    open_world(&world, 1);
    shutdown(world.listen_fds[0], SHUT_RDWR);
    started_us = clock_now_us();
    WORKERS_RUN_UNTIL(&world, calls.accepts >= 3);
    assert_true(clock_now_us() - started_us >= 180000);
    worker_read_gauges(world.workers[0], &gauges);
    assert_int_equal(gauges.accept_errors_other, 3);
    worker_world_close(&world);
}

static void test_a_connection_that_failed_in_the_queue_does_not_stop_accepting(void **state)
{
    static const int errors[] = {ECONNABORTED, EINTR, EPROTO, ENETUNREACH};

    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        struct worker_world world;
        int client;

        open_world(&world, 1);
        calls.errno_of_accept = errors[i];
        calls.failures_left = 3;
        client = queue_client(&world);
        event_base_loop(world.workers[0]->base, EVLOOP_ONCE);
        assert_int_equal(world.shared.sessions, 1); /* in the same turn */
        assert_false(world.workers[0]->listeners[0].is_paused);
        peer_close(&client);
        worker_world_close(&world);
    }
}

static void test_without_memory_for_a_session_the_client_is_reset_and_places_come_back(void **state)
{
    struct worker_world world;
    struct session_record record;
    int client;

    open_world(&world, 1);
    client = queue_client(&world);
    log_attach(world.rings[0], -1);
    calls.calloc_fails = true;
    event_base_loop(world.workers[0]->base, EVLOOP_ONCE);
    calls.calloc_fails = false;
    peer_poll(client, POLLIN, TCP_PAIR_DEADLINE_MS);
    assert_int_equal(end_of(client), PEER_RESET);
    assert_int_equal(world.shared.sessions, 0);
    assert_int_equal(world.relay.listener.sessions, 0);
    assert_int_equal(worker_world_closed(&world, CLOSE_NO_RESOURCES), 1);
    assert_true(worker_world_record(&world, &record));
    assert_int_equal(record.reason, CLOSE_NO_RESOURCES);
    peer_close(&client);
    worker_world_close(&world);
}

/* Makes room for so many descriptors more; answers the limit before. */
static rlim_t leave_descriptors(rlim_t count)
{
    struct rlimit files;
    rlim_t before;
    int lowest = dup(STDIN_FILENO);

    assert_true(lowest != -1);
    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    before = files.rlim_cur;
    files.rlim_cur = (rlim_t)lowest + count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    return before;
}

static void restore_descriptors(rlim_t before)
{
    struct rlimit files;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

/* One descriptor is left: it serves a client, whose server has the slack. The others wait. */
static void test_nobody_is_accepted_and_then_refused_for_want_of_a_descriptor(void **state)
{
    struct worker_world world;
    struct worker_gauges gauges;
    int clients[4];
    rlim_t before;

    open_world(&world, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        clients[i] = queue_client(&world);
    before = leave_descriptors(1);
    WORKERS_RUN_UNTIL(&world, world.workers[0]->listeners[0].is_paused);
    worker_read_gauges(world.workers[0], &gauges);
    restore_descriptors(before);
    assert_int_equal(world.shared.sessions, 1);
    assert_int_equal(worker_world_accepted(&world), 1);
    assert_int_equal(gauges.accept_errors[0], 1);
    WORKERS_RUN_UNTIL(&world, world.shared.sessions == (int)ARRAY_LENGTH(clients));
    assert_int_equal(worker_world_closed(&world, CLOSE_NO_RESOURCES), 0);
    assert_true(world.workers[0]->resources.has_slack);
    close_all(clients, ARRAY_LENGTH(clients));
    worker_world_close(&world);
}

static void test_a_session_that_ends_gives_the_slack_back(void **state)
{
    struct worker_world world;
    int clients[2];
    rlim_t before;

    open_world(&world, 1);
    clients[0] = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, world.shared.sessions == 1);
    clients[1] = queue_client(&world);
    before = leave_descriptors(1);
    WORKERS_RUN_UNTIL(&world, world.shared.sessions == 2);
    assert_false(world.workers[0]->resources.has_slack);
    shutdown(clients[0], SHUT_WR); /* its three descriptors; the other goes on */
    WORKERS_RUN_UNTIL(&world, world.shared.sessions == 1);
    assert_true(world.workers[0]->resources.has_slack);
    restore_descriptors(before);
    close_all(clients, ARRAY_LENGTH(clients));
    worker_world_close(&world);
}

/* Limits */

enum limit { LIMIT_PROCESS, LIMIT_LISTENER, LIMIT_BUFFERS };

static const enum limit limits[] = {LIMIT_PROCESS, LIMIT_LISTENER, LIMIT_BUFFERS};

/* A world in which one session is all that is allowed, and that one is there. */
static int open_full(struct worker_world *world, enum limit limit, enum on_limit on_limit)
{
    int client;

    mend(NULL);
    worker_world_configure(world, BUILTIN_DISCARD);
    world->relay.snapshot.process.on_limit = on_limit;
    if (limit == LIMIT_PROCESS)
        world->shared.max_connections = 1;
    if (limit == LIMIT_LISTENER)
        world->relay.listener.max_connections = 1;
    worker_world_start(world, 1);
    worker_world_listen(world);
    client = queue_client(world);
    WORKERS_RUN_UNTIL(world, world->shared.sessions == 1);
    if (limit == LIMIT_BUFFERS)
        world->shared.buffers.used_bytes = world->shared.buffers.limit_bytes / 100 * 95;
    return client;
}

static void leave_room(struct worker_world *world, enum limit limit)
{
    if (limit == LIMIT_BUFFERS)
        world->shared.buffers.used_bytes = 0;
}

static void test_at_a_limit_connections_wait_in_the_queue(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        struct worker_world world;
        int first = open_full(&world, limits[i], ON_LIMIT_PAUSE);
        int second = queue_client(&world);
        int64_t until_us = clock_now_us() + 100000;
        unsigned accepts = calls.accepts;

        while (clock_now_us() < until_us) {
            worker_world_turn(&world);
            assert_int_equal(world.shared.sessions, 1);
            assert_int_equal(world.relay.listener.sessions, 1);
        }
        assert_int_equal(calls.accepts, accepts); /* places are reserved before, not after */
        assert_true(world.workers[0]->listeners[0].is_paused);
        assert_int_equal(end_of(second), PEER_OPEN);
        leave_room(&world, limits[i]);
        peer_close(&first);
        WORKERS_RUN_UNTIL(&world, worker_world_accepted(&world) == 2);
        peer_close(&second);
        worker_world_close(&world);
    }
}

static void test_a_freed_place_is_taken_before_the_pause_is_over(void **state)
{
    struct worker_world world;
    int first = open_full(&world, LIMIT_PROCESS, ON_LIMIT_PAUSE);
    int second = queue_client(&world);

    WORKERS_RUN_UNTIL(&world, world.workers[0]->listeners[0].is_paused);
    /* As if the pause lasted for ever: the freed place ends it. */
    event_del(world.workers[0]->resume_event);
    world.workers[0]->listeners[0].resume_ms = INT64_MAX;
    peer_close(&first);
    WORKERS_RUN_UNTIL(&world, worker_world_accepted(&world) == 2);
    peer_close(&second);
    worker_world_close(&world);
}

/* Whatever another pause has the timer set to: the place may be freed by another worker. */
static void test_a_pause_at_a_limit_is_short_beside_a_longer_one(void **state)
{
    static const struct timeval hour = {3600, 0};
    struct worker_world world;
    int first = open_full(&world, LIMIT_PROCESS, ON_LIMIT_PAUSE);
    int second;

    WORKERS_RUN_UNTIL(&world, !world.workers[0]->listeners[0].is_paused);
    world.workers[0]->resume_ms = clock_now_ms() + 3600 * 1000;
    assert_int_equal(event_add(world.workers[0]->resume_event, &hour), 0);
    second = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, world.workers[0]->listeners[0].is_paused);
    world.shared.max_connections = 2;
    WORKERS_RUN_UNTIL(&world, worker_world_accepted(&world) == 2);
    peer_close(&first);
    peer_close(&second);
    worker_world_close(&world);
}

/* Time alone makes room: the end of a session need not wake the listener. */
static void test_a_pause_for_a_rate_wants_no_places(void **state)
{
    struct worker_world world;
    int clients[2];

    mend(NULL);
    worker_world_configure(&world, BUILTIN_DISCARD);
    world.relay.listener.connection_rate = (struct rate){.per_s = 10, .burst = 1};
    worker_world_start(&world, 1);
    worker_world_listen(&world);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        clients[i] = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, world.workers[0]->listeners[0].is_paused);
    assert_int_equal(worker_world_accepted(&world), 1);
    assert_false(world.workers[0]->resources.wants_places);
    WORKERS_RUN_UNTIL(&world, worker_world_accepted(&world) == 2);
    close_all(clients, ARRAY_LENGTH(clients));
    worker_world_close(&world);
}

/* Another worker would refuse a client for it: in this mode always, and at the end in any. */
static void test_a_look_at_the_queue_takes_no_place(void **state)
{
    static const enum on_limit modes[] = {ON_LIMIT_RESET, ON_LIMIT_CLOSE, ON_LIMIT_PAUSE};

    for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
        struct worker_world world;

        mend(NULL);
        worker_world_configure(&world, BUILTIN_DISCARD);
        world.relay.snapshot.process.on_limit = modes[i];
        worker_world_start(&world, 1);
        worker_world_listen(&world);
        calls.places = &world.shared.sessions;
        listener_close(&world.workers[0]->listeners[0]);
        assert_int_equal(calls.accepts, 1);
        assert_int_equal(calls.most_places, 0);
        worker_world_close(&world);
    }
}

static void check_refusal(enum limit limit, enum on_limit on_limit, enum peer_end expected)
{
    struct worker_world world;
    struct session_record record;
    int first = open_full(&world, limit, on_limit);
    int second = queue_client(&world);

    WORKERS_RUN_UNTIL(&world, end_of(second) != PEER_OPEN);
    peer_close(&second);
    second = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, peer_poll(second, POLLIN, 0) != 0);
    assert_int_equal(end_of(second), expected);
    assert_int_equal(world.shared.sessions, 1);
    assert_int_equal(
        counter_get(&worker_counters(world.workers[0])->listeners[0].rejected[REJECTED_LIMIT]), 2);
    assert_true(worker_world_record(&world, &record));
    assert_int_equal(record.reason, CLOSE_LIMIT);
    assert_int_equal(record.first, FIRST_CULVERT);
    assert_string_equal(record.listener, "front");
    assert_true(strncmp(record.client, "127.0.0.1:", 10) == 0);
    /* The address is shown as in every other record. */
    while (worker_world_record(&world, &record))
        continue;
    world.relay.snapshot.process.client_ip = CLIENT_IP_MASKED;
    peer_close(&second);
    second = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, worker_world_record(&world, &record));
    assert_true(strncmp(record.client, "127.0.0.0:", 10) == 0);
    leave_room(&world, limit);
    peer_close(&first);
    peer_close(&second);
    worker_world_close(&world);
}

static void test_at_a_limit_connections_are_refused_as_on_limit_says(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        check_refusal(limits[i], ON_LIMIT_RESET, PEER_RESET);
        check_refusal(limits[i], ON_LIMIT_CLOSE, PEER_ENDED);
    }
}

/* The end of a listener */

static void test_a_close_refuses_those_for_whom_there_is_no_place(void **state)
{
    struct worker_world world;
    struct session_record record;
    int first = open_full(&world, LIMIT_PROCESS, ON_LIMIT_PAUSE);
    int clients[3];

    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        clients[i] = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, world.workers[0]->listeners[0].is_paused);
    log_attach(world.rings[0], -1);
    listener_close(&world.workers[0]->listeners[0]);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++) {
        assert_true(peer_poll(clients[i], POLLIN, TCP_PAIR_DEADLINE_MS) != 0);
        assert_int_equal(end_of(clients[i]), PEER_RESET);
        assert_true(worker_world_record(&world, &record));
        assert_int_equal(record.reason, CLOSE_LIMIT);
    }
    assert_int_equal(
        counter_get(&worker_counters(world.workers[0])->listeners[0].rejected[REJECTED_LIMIT]), 3);
    assert_int_equal(world.shared.sessions, 1);
    assert_int_equal(end_of(first), PEER_OPEN);
    peer_close(&first);
    close_all(clients, ARRAY_LENGTH(clients));
    worker_world_close(&world);
}

static void test_a_close_serves_those_for_whom_there_is_a_place_by_now(void **state)
{
    struct worker_world world;
    int first = open_full(&world, LIMIT_PROCESS, ON_LIMIT_PAUSE);
    int second = queue_client(&world);

    WORKERS_RUN_UNTIL(&world, world.workers[0]->listeners[0].is_paused);
    world.shared.max_connections = 2;
    listener_close(&world.workers[0]->listeners[0]);
    assert_int_equal(world.shared.sessions, 2);
    assert_int_equal(worker_world_accepted(&world), 2);
    peer_close(&first);
    peer_close(&second);
    worker_world_close(&world);
}

static void test_a_close_without_descriptors_says_whom_it_refuses(void **state)
{
    struct worker_world world;
    struct session_record record;
    int clients[3];
    rlim_t before;

    open_world(&world, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        clients[i] = queue_client(&world);
    before = leave_descriptors(0);
    WORKERS_RUN_UNTIL(&world, world.workers[0]->listeners[0].is_paused);
    log_attach(world.rings[0], -1);
    /* The descriptors that the slack gives back serve nobody whole: a session needs three. */
    listener_close(&world.workers[0]->listeners[0]);
    restore_descriptors(before);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++) {
        assert_true(peer_poll(clients[i], POLLIN, TCP_PAIR_DEADLINE_MS) != 0);
        assert_int_equal(end_of(clients[i]), PEER_RESET);
        assert_true(worker_world_record(&world, &record));
        assert_int_equal(record.reason, CLOSE_NO_RESOURCES);
    }
    assert_int_equal(worker_world_accepted(&world), 3);
    assert_int_equal(worker_world_closed(&world, CLOSE_NO_RESOURCES), 3);
    close_all(clients, ARRAY_LENGTH(clients));
    worker_world_close(&world);
}

/* Without memory */

static bool has_no_memory;

static void *maybe_realloc(void *memory, size_t size)
{
    return has_no_memory ? NULL : realloc(memory, size);
}

static void
test_accepting_goes_on_after_a_pause_even_if_there_is_no_memory_for_a_timer(void **state)
{
    static const struct timeval hour = {3600, 0};
    struct worker_world world;
    struct event fillers[64];
    size_t filled = 0;
    int client;

    event_set_mem_functions(malloc, maybe_realloc, free);
    open_world(&world, 1);
    client = queue_client(&world);
    calls.errno_of_accept = EMFILE;
    calls.failures_left = 1;
    has_no_memory = true;
    do {
        assert_true(filled < ARRAY_LENGTH(fillers));
        event_assign(&fillers[filled], world.workers[0]->base, -1, 0, NULL, NULL);
    } while (event_add(&fillers[filled++], &hour) == 0);
    WORKERS_RUN_UNTIL(&world, calls.accepts == 1);
    assert_true(world.workers[0]->listeners[0].is_paused);
    WORKERS_RUN_UNTIL(&world, worker_world_accepted(&world) == 1);
    has_no_memory = false;
    while (filled > 0)
        event_del(&fillers[--filled]);
    peer_close(&client);
    worker_world_close(&world);
}

/* Handing over */

static void test_a_worker_that_is_clearly_ahead_hands_over(void **state)
{
    struct worker_world world;
    int clients[9];
    int last;

    open_world(&world, 2);
    /* All connections come to the first worker's socket. */
    event_del(world.workers[1]->listeners[0].event);
    shutdown(world.listen_fds[1], SHUT_RDWR);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        clients[i] = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, worker_sessions(world.workers[0]) == 9);
    assert_int_equal(worker_sessions(world.workers[1]), 0);
    last = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, !list_is_empty(&world.workers[1]->resources.sessions));
    assert_int_equal(worker_sessions(world.workers[0]), 9);
    assert_int_equal(worker_sessions(world.workers[1]), 1);
    assert_int_equal(world.shared.sessions, 10);
    assert_int_equal(world.relay.listener.sessions, 10);
    /* It works there: an end comes back. */
    shutdown(last, SHUT_WR);
    WORKERS_RUN_UNTIL(&world, end_of(last) == PEER_ENDED);
    WORKERS_RUN_UNTIL(&world, worker_sessions(world.workers[1]) == 0);
    peer_close(&last);
    close_all(clients, ARRAY_LENGTH(clients));
    worker_world_close(&world);
}

static void test_the_only_socket_of_all_workers_hands_over_at_the_least_difference(void **state)
{
    struct worker_world world;
    int clients[9];

    open_world(&world, 2);
    event_del(world.workers[1]->listeners[0].event);
    shutdown(world.listen_fds[1], SHUT_RDWR);
    world.workers[0]->listeners[0].is_only_socket = true;
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        clients[i] = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, world.shared.sessions == 9);
    assert_int_equal(worker_sessions(world.workers[0]), 5);
    assert_int_equal(worker_sessions(world.workers[1]), 4);
    close_all(clients, ARRAY_LENGTH(clients));
    worker_world_close(&world);
}

static void test_a_burst_is_shared_although_nobody_has_started_a_session_yet(void **state)
{
    struct worker_world world;
    int clients[40];

    open_world(&world, 2);
    event_del(world.workers[1]->listeners[0].event);
    shutdown(world.listen_fds[1], SHUT_RDWR);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        clients[i] = queue_client(&world);
    /* Only the accepting worker runs; the counts of the other rise with each message. */
    log_attach(world.rings[0], -1);
    for (int i = 0; i < 10; i++)
        event_base_loop(world.workers[0]->base, EVLOOP_NONBLOCK);
    assert_int_equal(world.shared.sessions, 40);
    assert_in_range(worker_sessions(world.workers[1]), 14, 17);
    assert_true(list_is_empty(&world.workers[1]->resources.sessions));
    WORKERS_RUN_UNTIL(&world, !list_is_empty(&world.workers[1]->resources.sessions));
    close_all(clients, ARRAY_LENGTH(clients));
    worker_world_close(&world);
}

static void test_a_closed_mailbox_keeps_the_connection_here(void **state)
{
    struct worker_world world;
    int client;

    open_world(&world, 2);
    event_del(world.workers[1]->listeners[0].event);
    shutdown(world.listen_fds[1], SHUT_RDWR);
    mailbox_close(&world.workers[1]->mailbox);
    world.workers[0]->sessions += 20; /* clearly ahead */
    client = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, !list_is_empty(&world.workers[0]->resources.sessions));
    world.workers[0]->sessions -= 20;
    assert_int_equal(worker_sessions(world.workers[0]), 1);
    assert_int_equal(worker_sessions(world.workers[1]), 0);
    peer_close(&client);
    WORKERS_RUN_UNTIL(&world, world.shared.sessions == 0);
    world.shared.worker_count = 1;
    worker_destroy(world.workers[1]);
    log_ring_destroy(world.rings[1]);
    worker_world_close(&world);
}

/* Closing */

static void test_closing_accepts_what_waits_in_the_queue(void **state)
{
    struct worker_world world;
    int clients[20];

    open_world(&world, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        clients[i] = queue_client(&world);
    listener_close(&world.workers[0]->listeners[0]);
    assert_int_equal(world.shared.sessions, 20);
    for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
        assert_int_equal(end_of(clients[i]), PEER_OPEN);
    /* Nobody listens any more. */
    listener_close(&world.workers[0]->listeners[0]);
    close_all(clients, ARRAY_LENGTH(clients));
    worker_world_close(&world);
}

static void test_a_paused_listener_may_be_closed(void **state)
{
    struct worker_world world;
    int client;

    open_world(&world, 1);
    calls.errno_of_accept = EMFILE;
    calls.failures_left = -1;
    client = queue_client(&world);
    WORKERS_RUN_UNTIL(&world, world.workers[0]->listeners[0].is_paused);
    listener_close(&world.workers[0]->listeners[0]);
    /* The timer that would have resumed it finds nothing. */
    WORKERS_RUN_UNTIL(&world, !evtimer_pending(world.workers[0]->resume_event, NULL));
    assert_int_equal(calls.accepts, 3); /* once before; then to serve, and to refuse */
    peer_close(&client);
    worker_world_close(&world);
}

static void test_closing_in_a_shortage_ends(void **state)
{
    struct worker_world world;
    int client;

    open_world(&world, 1);
    client = queue_client(&world);
    calls.errno_of_accept = EMFILE;
    calls.failures_left = -1;
    listener_close(&world.workers[0]->listeners[0]);
    assert_int_equal(calls.accepts, 2);
    peer_close(&client);
    worker_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_connection_becomes_a_session_with_its_places),
        cmocka_unit_test(test_the_client_of_a_session_is_who_connected),
        cmocka_unit_test(test_a_flood_of_connections_is_accepted_sixteen_per_turn),
        cmocka_unit_test(test_without_descriptors_or_memory_accepting_pauses_and_does_not_spin),
        cmocka_unit_test(test_a_pause_costs_no_turns_of_the_loop),
        cmocka_unit_test(test_a_listening_socket_that_is_dead_does_not_spin),
        cmocka_unit_test(test_a_connection_that_failed_in_the_queue_does_not_stop_accepting),
        cmocka_unit_test(
            test_without_memory_for_a_session_the_client_is_reset_and_places_come_back),
        cmocka_unit_test(test_nobody_is_accepted_and_then_refused_for_want_of_a_descriptor),
        cmocka_unit_test(test_a_session_that_ends_gives_the_slack_back),
        cmocka_unit_test(test_at_a_limit_connections_wait_in_the_queue),
        cmocka_unit_test(test_a_freed_place_is_taken_before_the_pause_is_over),
        cmocka_unit_test(test_a_pause_at_a_limit_is_short_beside_a_longer_one),
        cmocka_unit_test(test_a_pause_for_a_rate_wants_no_places),
        cmocka_unit_test(test_a_look_at_the_queue_takes_no_place),
        cmocka_unit_test(test_at_a_limit_connections_are_refused_as_on_limit_says),
        cmocka_unit_test_teardown(test_a_close_refuses_those_for_whom_there_is_no_place, mend),
        cmocka_unit_test_teardown(test_a_close_serves_those_for_whom_there_is_a_place_by_now, mend),
        cmocka_unit_test_teardown(test_a_close_without_descriptors_says_whom_it_refuses, mend),
        cmocka_unit_test_teardown(
            test_accepting_goes_on_after_a_pause_even_if_there_is_no_memory_for_a_timer, mend),
        cmocka_unit_test(test_a_worker_that_is_clearly_ahead_hands_over),
        cmocka_unit_test(test_the_only_socket_of_all_workers_hands_over_at_the_least_difference),
        cmocka_unit_test(test_a_burst_is_shared_although_nobody_has_started_a_session_yet),
        cmocka_unit_test(test_a_closed_mailbox_keeps_the_connection_here),
        cmocka_unit_test(test_closing_accepts_what_waits_in_the_queue),
        cmocka_unit_test(test_a_paused_listener_may_be_closed),
        cmocka_unit_test(test_closing_in_a_shortage_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
