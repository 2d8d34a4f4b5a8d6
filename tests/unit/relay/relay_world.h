/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay_world.h - for tests: what the relay needs around it, made by hand.
 *
 * A snapshot with one listener, one pool and some servers (listening sockets on loopback), the
 * resources of a worker on an event base, and a ring that catches session records. Everything runs
 * in the test's own thread: relay_world_turn() runs the loop for a few milliseconds at most, and
 * RUN_UNTIL() repeats that until something is true. Closing the world checks that every place,
 * buffer, pipe and session was given back. Include <cmocka.h> before.
 */
#ifndef CULVERT_TEST_RELAY_RELAY_WORLD_H
#define CULVERT_TEST_RELAY_RELAY_WORLD_H

#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "net/tcp_pair.h"
#include "config/snapshot.h"
#include "relay/relay_resources.h"
#include "relay/session.h"

#define RELAY_WORLD_SERVERS 4
#define RELAY_WORLD_WORKERS 4
#define RELAY_WORLD_DEADLINE_US 30000000

/* Runs the world's loop until the condition holds; fails the test when it never does. */
#define RUN_UNTIL(world, condition)                                                                \
    do {                                                                                           \
        int64_t run_until_us = clock_now_us() + RELAY_WORLD_DEADLINE_US;                           \
                                                                                                   \
        while (!(condition)) {                                                                     \
            if (clock_now_us() > run_until_us)                                                     \
                fail_msg("it never came true: %s", #condition);                                    \
            relay_world_turn(world);                                                               \
        }                                                                                          \
    } while (false)

struct relay_world {
    struct event_base *base;
    struct event *heartbeat; /* ends a turn in which nothing else happens */
    struct relay_resources resources;
    struct buffer_budget buffers;
    struct pipe_budget pipes;
    struct snapshot snapshot;
    struct listener_config listener;
    struct pool pool;
    struct server servers[RELAY_WORLD_SERVERS];
    struct server *slots[RELAY_WORLD_SERVERS];
    struct server_counters counters[RELAY_WORLD_SERVERS][RELAY_WORLD_WORKERS];
    struct tally tallies[2];
    int server_fds[RELAY_WORLD_SERVERS]; /* listening; -1: nobody there */
    _Atomic int process_sessions;
    _Atomic int worker_sessions;
    struct log_ring *ring;
};

static inline void relay_world_heartbeat(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    (void)argument;
}

static inline struct event_base *relay_world_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    base = event_base_new_with_config(config);
    event_config_free(config);
    assert_non_null(base);
    return base;
}

/* A listener without timeouts, a pool of `server_count` servers that listen, all limits wide. */
static inline void relay_world_configure(struct relay_world *world, unsigned server_count)
{
    static char names[RELAY_WORLD_SERVERS][4] = {"s0", "s1", "s2", "s3"};
    static char listener_name[] = "front";
    static char pool_name[] = "back";

    assert_true(server_count <= RELAY_WORLD_SERVERS);
    world->tallies[0].pool_index = -1;
    world->tallies[1].pool_index = 0;
    world->listener = (struct listener_config){
        .name = listener_name,
        .splice = true,
        .buffer_size = BUFFER_READ_BYTES,
        .snapshot = &world->snapshot,
        .tally_count = 2,
    };
    for (unsigned i = 0; i < RELAY_WORLD_SERVERS; i++)
        world->server_fds[i] = -1;
    for (unsigned i = 0; i < server_count; i++) {
        uint16_t port;

        world->server_fds[i] = tcp_listen(&port, 0);
        world->servers[i] = (struct server){
            .name = names[i],
            .addr = {.family = AF_INET, .port = port},
            .weight = 1,
            .serial = i + 1,
            .position = i,
            .counters = world->counters[i],
            .shard_count = RELAY_WORLD_WORKERS,
        };
        world->slots[i] = &world->servers[i];
        world->servers[i].addr.v4.s_addr = htonl(INADDR_LOOPBACK);
    }
    world->pool = (struct pool){
        .name = pool_name,
        .options = {.balance = BALANCE_FIRST,
                    .fail_timeout_ms = 10000,
                    .connect_timeout_ms = 5000,
                    .connect_retries = RELAY_WORLD_SERVERS - 1,
                    .socket = {.nodelay = true}},
        .eject_mutex = PTHREAD_MUTEX_INITIALIZER,
        .servers = world->slots,
        .server_count = server_count,
    };
    world->snapshot = (struct snapshot){
        .references = 1, /* the world's own: never dropped, so nothing is freed */
        .listeners = &world->listener,
        .listener_count = 1,
        .pools = &world->pool,
        .pool_count = 1,
        .tallies = world->tallies,
        .tally_count = 2,
        .process = {.max_connections = 1000},
    };
    world->buffers = (struct buffer_budget){.limit_bytes = (size_t)64 << 20, .margin_bytes = 65536};
    world->pipes = (struct pipe_budget){.limit = 16, .pipe_bytes = 262144};
}

/* The second half of opening: after the test has changed what relay_world_configure() set. */
static inline void relay_world_start(struct relay_world *world)
{
    const struct timeval beat = {.tv_usec = 1000};

    signal(SIGPIPE, SIG_IGN); /* splice(2) has no MSG_NOSIGNAL */
    assert_true(pool_prepare(&world->pool));
    world->listener.router = router_create(&world->pool);
    assert_non_null(world->listener.router);
    world->base = relay_world_base();
    assert_true(relay_resources_init(&world->resources, world->base, &world->snapshot,
                                     &world->buffers, &world->pipes));
    world->resources.process_sessions = &world->process_sessions;
    world->resources.worker_sessions = &world->worker_sessions;
    world->ring = log_ring_create(1024);
    assert_non_null(world->ring);
    log_attach(world->ring, -1);
    world->heartbeat = event_new(world->base, -1, EV_PERSIST, relay_world_heartbeat, NULL);
    event_add(world->heartbeat, &beat);
}

static inline void relay_world_open(struct relay_world *world, unsigned server_count)
{
    memset(world, 0, sizeof(*world));
    relay_world_configure(world, server_count);
    relay_world_start(world);
}

static inline void relay_world_turn(struct relay_world *world)
{
    event_base_loop(world->base, EVLOOP_ONCE);
}

/* Runs the loop for a time in which nothing is expected to happen. */
static inline void relay_world_run_for(struct relay_world *world, int64_t ms)
{
    int64_t until_us = clock_now_us() + ms * 1000;

    while (clock_now_us() < until_us)
        relay_world_turn(world);
}

/* Nothing that was lent, reserved or started is left. */
static inline void relay_world_assert_clean(struct relay_world *world)
{
    const struct relay_counters *counters = &world->resources.counters;

    assert_true(list_is_empty(&world->resources.sessions));
    assert_true(list_is_empty(&world->resources.run_queue));
    assert_true(list_is_empty(&world->resources.buffer_waiters));
    assert_true(list_is_empty(&world->resources.recheck));
    assert_int_equal(world->process_sessions, 0);
    assert_int_equal(world->worker_sessions, 0);
    assert_int_equal(world->listener.sessions, 0);
    assert_int_equal(world->snapshot.references, 1);
    for (unsigned i = 0; i < world->pool.server_count; i++)
        assert_int_equal(world->servers[i].active, 0);
    for (int i = 0; i < PHASE_COUNT; i++)
        assert_int_equal(counter_get(&counters->listeners[0].sessions[i]), 0);
    assert_int_equal(counter_get(&world->resources.buffers.lent_bytes), 0);
    assert_int_equal(counter_get(&world->resources.pipes.lent), 0);
}

static inline void relay_world_close(struct relay_world *world)
{
    relay_world_assert_clean(world);
    event_free(world->heartbeat);
    relay_resources_release(&world->resources);
    event_base_free(world->base);
    assert_int_equal(world->buffers.used_bytes, 0);
    assert_int_equal(world->pipes.open_pipes, 0);
    log_attach(NULL, -1);
    log_ring_destroy(world->ring);
    router_destroy(world->listener.router);
    pool_members_free(world->pool.members);
    for (unsigned i = 0; i < RELAY_WORLD_SERVERS; i++)
        peer_close(&world->server_fds[i]);
}

/* A session with its client; `client` is the peer's end of the frontend socket. */
static inline void relay_world_session(struct relay_world *world, int pair[2])
{
    struct addr client = {.family = AF_INET, .port = 1};

    client.v4.s_addr = htonl(INADDR_LOOPBACK);
    world->process_sessions++;
    world->worker_sessions++;
    world->listener.sessions++;
    snapshot_ref(&world->snapshot);
    assert_true(
        session_start(&world->resources, &world->listener, pair[1], &client, clock_now_us()));
    pair[1] = -1;
}

/* Connects a client and starts its session. */
static inline int relay_world_client(struct relay_world *world)
{
    int pair[2];

    tcp_pair(pair);
    relay_world_session(world, pair);
    return pair[0];
}

static inline bool relay_world_try_accept(struct relay_world *world, unsigned server, int *fd)
{
    *fd = accept4(world->server_fds[server], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return *fd != -1;
}

/* The server's end of the next backend connection. */
static inline int relay_world_server(struct relay_world *world, unsigned server)
{
    int on = 1;
    int fd = -1;

    RUN_UNTIL(world, relay_world_try_accept(world, server, &fd));
    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* The session that was started last, while there is one. */
static inline struct session *relay_world_last_session(struct relay_world *world)
{
    struct list *sessions = &world->resources.sessions;

    if (list_is_empty(sessions))
        return NULL;
    return CONTAINER_OF(sessions->head.previous, struct session, link);
}

/* A client and a server joined by a session that relays. */
struct relay_line {
    int client;
    int server;
    struct session *session; /* until it ends */
};

static inline void relay_world_join(struct relay_world *world, struct relay_line *line)
{
    line->client = relay_world_client(world);
    line->server = relay_world_server(world, 0);
    line->session = relay_world_last_session(world);
    RUN_UNTIL(world, line->session->state == SESSION_RELAY);
}

static inline bool relay_world_has(const struct relay_world *world, const struct session *session)
{
    const struct list_link *head = &world->resources.sessions.head;

    for (const struct list_link *link = head->next; link != head; link = link->next) {
        if (link == &session->link)
            return true;
    }
    return false;
}

/* Closes both peers and waits until their session is gone. */
static inline void relay_world_part(struct relay_world *world, struct relay_line *line)
{
    peer_close(&line->client);
    peer_close(&line->server);
    RUN_UNTIL(world, !relay_world_has(world, line->session));
}

/* Sends `size` bytes of the pattern while the relay runs. */
static inline void relay_world_send(struct relay_world *world, int fd, uint64_t position,
                                    size_t size)
{
    size_t sent = 0;

    RUN_UNTIL(world, (sent += peer_send_some(fd, position + sent, size - sent)) == size);
}

/* Receives exactly `size` bytes of the pattern while the relay runs. */
static inline void relay_world_receive(struct relay_world *world, int fd, uint64_t position,
                                       size_t size)
{
    enum peer_end end = PEER_OPEN;
    size_t received = 0;

    RUN_UNTIL(world, (received +=
                      peer_receive_some(fd, position + received, size - received, &end)) == size ||
                         end != PEER_OPEN);
    assert_int_equal(received, size);
}

/* Receives whatever still comes up to the end, checks it and answers how it ended. */
static inline enum peer_end relay_world_end(struct relay_world *world, int fd, uint64_t position,
                                            size_t *received)
{
    enum peer_end end = PEER_OPEN;
    size_t bytes = 0;

    RUN_UNTIL(world, (bytes += peer_receive_some(fd, position + bytes, SIZE_MAX / 2, &end), end) !=
                         PEER_OPEN);
    if (received != NULL)
        *received = bytes;
    return end;
}

/* The next session record; fails the test when there is none. */
static inline struct session_record relay_world_record(struct relay_world *world)
{
    const struct log_record *record;
    struct session_record session;

    while ((record = log_ring_peek(world->ring)) != NULL) {
        bool is_end = record->expand == session_record_expand_end;

        if (is_end)
            memcpy(&session, record->payload, sizeof(session));
        log_ring_pop(world->ring);
        if (is_end)
            return session;
    }
    fail_msg("no session record");
    abort();
}

/* Waits for the only session to end and answers its record. */
static inline struct session_record relay_world_last_record(struct relay_world *world)
{
    RUN_UNTIL(world, list_is_empty(&world->resources.sessions));
    return relay_world_record(world);
}

#endif
