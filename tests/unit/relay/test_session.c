/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_session.c - a session from accept to close: bytes both ways, its record, its places, and
 * the ends that culvert decides.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "relay/relay_world.h"

static bool calloc_fails;
static bool epoll_is_full;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout);

void *__wrap_calloc(size_t count, size_t size)
{
    return calloc_fails ? NULL : __real_calloc(count, size);
}

/* As if epoll_ctl(2) had no space for another descriptor. */
int __wrap_event_add(struct event *event, const struct timeval *timeout)
{
    if (epoll_is_full && timeout == NULL)
        return -1;
    return __real_event_add(event, timeout);
}

static int mend(void **state)
{
    calloc_fails = false;
    epoll_is_full = false;
    return 0;
}

static uint64_t closed(const struct relay_world *world, enum close_reason reason)
{
    return counter_get(&world->resources.counters.tallies[1].closed[reason]);
}

static void test_a_session_relays_both_ways_and_says_so(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct relay_line line;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    relay_world_send(&world, line.client, 0, 1000);
    relay_world_receive(&world, line.server, 0, 1000);
    relay_world_send(&world, line.server, 0, 300000);
    relay_world_receive(&world, line.client, 0, 300000);
    shutdown(line.client, SHUT_WR);
    assert_int_equal(relay_world_end(&world, line.server, 1000, NULL), PEER_ENDED);
    peer_close(&line.server);
    assert_int_equal(relay_world_end(&world, line.client, 300000, NULL), PEER_ENDED);
    peer_close(&line.client);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_DONE);
    assert_int_equal(record.first, FIRST_CLIENT);
    assert_int_equal(record.phase, PHASE_RELAY);
    assert_int_equal(record.error, 0);
    assert_int_equal(record.upload_bytes, 1000);
    assert_int_equal(record.download_bytes, 300000);
    assert_int_equal(record.undelivered_bytes, 0);
    assert_true(record.connect_us >= 0);
    assert_true(record.first_byte_us >= 0);
    assert_true(record.duration_us >= record.connect_us);
    assert_true(record.id != 0);
    assert_int_equal(closed(&world, CLOSE_DONE), 1);
    assert_int_equal(counter_get(&world.resources.counters.tallies[1].upload_bytes), 1000);
    assert_int_equal(counter_get(&world.resources.counters.tallies[1].download_bytes), 300000);
    assert_int_equal(counter_get(&world.resources.counters.copied_bytes) +
                         counter_get(&world.resources.counters.spliced_bytes),
                     301000);
    relay_world_close(&world);
}

static void test_bulk_goes_through_pipes_and_small_messages_do_not(void **state)
{
    struct relay_world world;
    struct relay_line line;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    for (int i = 0; i < 50; i++) {
        relay_world_send(&world, line.client, i * 64, 64);
        relay_world_receive(&world, line.server, i * 64, 64);
    }
    assert_int_equal(line.session->flow[UPLOAD].spliced, 0);
    for (uint64_t sent = 0; sent < (8 << 20);) {
        size_t some = peer_send_some(line.server, sent, 1 << 20);

        relay_world_receive(&world, line.client, sent, some);
        sent += some;
    }
    assert_true(line.session->flow[DOWNLOAD].spliced > (4 << 20));
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_every_byte_arrives_while_methods_flip_at_random(void **state)
{
    struct relay_world world;
    struct relay_line line;
    enum peer_end end = PEER_OPEN;
    uint64_t sent[2] = {0};
    uint64_t received[2] = {0};
    const uint64_t total = 4 << 20;

    relay_world_open(&world, 1);
    world.resources.flip_seed = world.resources.random = 4711;
    relay_world_join(&world, &line);
    for (unsigned i = 0; received[0] < total || received[1] < total; i++) {
        size_t piece = 1 + i * 7919 % 100000;

        assert_true(i < 1000000);
        for (int way = 0; way < 2; way++) {
            int from = way == 0 ? line.client : line.server;
            int to = way == 0 ? line.server : line.client;
            uint64_t left = total - sent[way];

            sent[way] += peer_send_some(from, sent[way], left < piece ? left : piece);
            received[way] += peer_receive_some(to, received[way], 1 + i * 104729 % 60000, &end);
        }
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(end, PEER_OPEN);
    assert_true(line.session->flow[UPLOAD].spliced > 0);
    assert_true(line.session->flow[UPLOAD].spliced < total);
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_an_idle_session_owns_neither_buffer_nor_pipe(void **state)
{
    struct relay_world world;
    struct relay_line line;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    relay_world_send(&world, line.client, 0, 500000);
    relay_world_receive(&world, line.server, 0, 500000);
    assert_int_equal(counter_get(&world.resources.buffers.lent_bytes), 0);
    assert_int_equal(counter_get(&world.resources.pipes.lent), 0);
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_idle_means_nothing_moved_for_a_second(void **state)
{
    struct relay_world world;
    struct relay_line line;
    int64_t now_ms;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    now_ms = line.session->flow[UPLOAD].read_ms;
    assert_false(session_is_idle(line.session, now_ms + 999));
    assert_true(session_is_idle(line.session, now_ms + 1000));
    relay_world_send(&world, line.client, 0, 10);
    relay_world_receive(&world, line.server, 0, 10);
    assert_false(session_is_idle(line.session, line.session->flow[UPLOAD].read_ms + 999));
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

/* Ends that culvert decides */

static void test_an_end_of_our_own_resets_both_sides_at_once(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct relay_line line;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    session_end(line.session, CLOSE_KILLED);
    assert_true(list_is_empty(&world.resources.sessions));
    assert_int_equal(relay_world_end(&world, line.client, 0, NULL), PEER_RESET);
    assert_int_equal(relay_world_end(&world, line.server, 0, NULL), PEER_RESET);
    record = relay_world_record(&world);
    assert_int_equal(record.reason, CLOSE_KILLED);
    assert_int_equal(record.first, FIRST_CULVERT);
    assert_int_equal(record.phase, PHASE_RELAY);
    assert_int_equal(record.undelivered_bytes, 0);
    assert_int_equal(closed(&world, CLOSE_KILLED), 1);
    peer_close(&line.client);
    peer_close(&line.server);
    relay_world_close(&world);
}

/* How many bytes the kernel holds for the reader of this socket. */
static uint64_t readable(int fd)
{
    int bytes = 0;

    assert_int_equal(ioctl(fd, FIONREAD, &bytes), 0);
    return (uint64_t)bytes;
}

/* Whether the server's kernel takes nothing more for many turns, although the client sends on. */
static bool moves_no_more(struct relay_line *line, uint64_t *sent)
{
    static uint64_t before;
    static unsigned turns;
    uint64_t now;

    *sent += peer_send_some(line->client, *sent, 1 << 20);
    now = *sent + line->session->flow[UPLOAD].delivered;
    turns = now == before ? turns + 1 : 0;
    before = now;
    return turns == 300; /* there is one every millisecond */
}

static void test_undelivered_bytes_of_a_cut_session_are_counted_exactly(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct relay_line line;
    uint64_t sent = 0;
    uint64_t held;
    uint64_t received;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    RUN_UNTIL(&world, moves_no_more(&line, &sent));
    held = flow_held(&line.session->flow[UPLOAD]);
    assert_true(held > 0);
    /* What the server's kernel has taken is delivered, once it has said so; the rest is not. */
    RUN_UNTIL(&world, (uint64_t)socket_unacknowledged(line.session->conn[BACKEND].fd) +
                              readable(line.server) ==
                          line.session->flow[UPLOAD].delivered);
    received = readable(line.server);
    session_end(line.session, CLOSE_KILLED);
    record = relay_world_record(&world);
    assert_int_equal(record.undelivered_bytes, record.upload_bytes + held - received);
    peer_close(&line.client);
    peer_close(&line.server);
    relay_world_close(&world);
}

static void test_an_end_in_the_send_queue_is_no_undelivered_byte(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct relay_line line;
    int small = 4096;
    uint64_t received;

    relay_world_open(&world, 1);
    setsockopt(world.server_fds[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    relay_world_join(&world, &line);
    peer_send(line.client, 0, 60000);
    shutdown(line.client, SHUT_WR);
    RUN_UNTIL(&world, line.session->flow[UPLOAD].state == FLOW_ENDED);
    RUN_UNTIL(&world, (uint64_t)socket_unacknowledged(line.session->conn[BACKEND].fd) +
                              readable(line.server) ==
                          60000 + 1);
    received = readable(line.server);
    assert_true(received < 60000);
    session_end(line.session, CLOSE_KILLED);
    record = relay_world_record(&world);
    assert_int_equal(record.upload_bytes, 60000);
    assert_int_equal(record.undelivered_bytes, 60000 - received);
    peer_close(&line.client);
    peer_close(&line.server);
    relay_world_close(&world);
}

static void test_undelivered_bytes_to_a_unix_server_are_bytes_not_memory(void **state)
{
    static const char name[] = "culvert-test-session";
    struct relay_world world;
    struct sockaddr_storage storage;
    struct session_record record;
    struct relay_line line;
    socklen_t length;

    memset(&world, 0, sizeof(world));
    relay_world_configure(&world, 1);
    peer_close(&world.server_fds[0]);
    world.servers[0].addr = (struct addr){.family = AF_UNIX, .is_abstract = true, .path = name};
    world.server_fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    length = addr_to_sockaddr(&world.servers[0].addr, &storage);
    assert_int_equal(bind(world.server_fds[0], (struct sockaddr *)&storage, length), 0);
    assert_int_equal(listen(world.server_fds[0], 4), 0);
    relay_world_start(&world);
    relay_world_join(&world, &line);
    peer_send(line.client, 0, 100);
    RUN_UNTIL(&world, line.session->flow[UPLOAD].delivered == 100);
    session_end(line.session, CLOSE_KILLED);
    record = relay_world_record(&world);
    /* The server's socket has them; the kernel's memory for them is no count of bytes. */
    assert_int_equal(record.undelivered_bytes, 0);
    peer_close(&line.client);
    peer_close(&line.server);
    relay_world_close(&world);
}

static void test_a_session_may_be_cut_in_every_state(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct relay_line line;
    uint64_t sent = 0;
    int on_top[16];
    int client;

    relay_world_open(&world, 2);
    /* CONNECT: a server whose queue is full */
    assert_int_equal(listen(world.server_fds[0], 0), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(on_top); i++)
        on_top[i] = tcp_connect(world.servers[0].addr.port);
    peer_poll(on_top[0], POLLOUT, TCP_PAIR_DEADLINE_MS);
    client = relay_world_client(&world);
    assert_int_equal(relay_world_last_session(&world)->state, SESSION_CONNECT);
    session_end(relay_world_last_session(&world), CLOSE_DRAINED);
    record = relay_world_record(&world);
    assert_int_equal(record.reason, CLOSE_DRAINED);
    assert_int_equal(record.phase, PHASE_CONNECT);
    peer_close(&client);
    for (size_t i = 0; i < ARRAY_LENGTH(on_top); i++)
        peer_close(&on_top[i]);
    world.servers[0].admin = SERVER_ADMIN_MAINT;

    /* ABORT_DRAIN: the server does not take what precedes the client's reset */
    line.client = relay_world_client(&world);
    line.server = relay_world_server(&world, 1);
    line.session = relay_world_last_session(&world);
    RUN_UNTIL(&world, (sent += peer_send_some(line.client, sent, 1 << 20),
                       flow_held(&line.session->flow[UPLOAD]) > 0));
    peer_reset(&line.client);
    RUN_UNTIL(&world, line.session->state == SESSION_ABORT_DRAIN);
    session_end(line.session, CLOSE_DRAINED);
    record = relay_world_record(&world);
    assert_int_equal(record.reason, CLOSE_DRAINED);
    assert_true(record.undelivered_bytes > 0);
    peer_close(&line.server);
    relay_world_close(&world);
}

/* Shortages */

static void test_without_memory_nothing_is_taken_over(void **state)
{
    struct relay_world world;
    struct addr client = {.family = AF_INET};
    int pair[2];

    relay_world_open(&world, 1);
    tcp_pair(pair);
    calloc_fails = true;
    assert_false(session_start(&world.resources, &world.listener, pair[1], &client, 0));
    calloc_fails = false;
    assert_true(list_is_empty(&world.resources.sessions));
    assert_int_equal(fcntl(pair[1], F_GETFD), FD_CLOEXEC); /* still open */
    peer_close(&pair[0]);
    peer_close(&pair[1]);
    relay_world_close(&world);
}

static void test_without_epoll_space_nothing_is_taken_over(void **state)
{
    struct relay_world world;
    struct addr client = {.family = AF_INET};
    int pair[2];

    relay_world_open(&world, 1);
    tcp_pair(pair);
    epoll_is_full = true;
    assert_false(session_start(&world.resources, &world.listener, pair[1], &client, 0));
    epoll_is_full = false;
    assert_int_equal(fcntl(pair[1], F_GETFD), FD_CLOEXEC);
    peer_close(&pair[0]);
    peer_close(&pair[1]);
    relay_world_close(&world);
}

/* The record */

static void test_the_client_is_shown_as_configured(void **state)
{
    static const struct {
        enum client_ip how;
        const char *shown;
    } cases[] = {
        {CLIENT_IP_FULL, "198.51.100.7:50112"},
        {CLIENT_IP_MASKED, "198.51.100.0:50112"},
        {CLIENT_IP_OFF, ""},
    };
    struct relay_world world;
    struct session_record record;
    struct relay_line line;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    line.session->client.port = 50112;
    line.session->client.v4.s_addr = htonl(0xc6336407);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        world.snapshot.process.client_ip = cases[i].how;
        session_describe(line.session, &record);
        assert_string_equal(record.client, cases[i].shown);
    }
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_a_live_session_is_described_as_it_is_now(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct relay_line line;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    relay_world_send(&world, line.client, 0, 123);
    relay_world_receive(&world, line.server, 0, 123);
    session_describe(line.session, &record);
    assert_int_equal(record.phase, PHASE_RELAY);
    assert_int_equal(record.upload_bytes, 123);
    shutdown(line.client, SHUT_WR);
    assert_int_equal(relay_world_end(&world, line.server, 123, NULL), PEER_ENDED);
    session_describe(line.session, &record);
    assert_int_equal(record.phase, PHASE_HALF_CLOSED);
    assert_int_equal(
        counter_get(&world.resources.counters.listeners[0].sessions[PHASE_HALF_CLOSED]), 1);
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static unsigned records(struct relay_world *world)
{
    unsigned count = 0;

    for (; log_ring_peek(world->ring) != NULL; log_ring_pop(world->ring))
        count++;
    return count;
}

static void test_access_decides_which_sessions_leave_a_record(void **state)
{
    static const struct {
        enum access_log access;
        bool start;
        unsigned done, killed;
    } cases[] = {
        {ACCESS_ALL, false, 1, 1},
        {ACCESS_ALL, true, 2, 2},
        {ACCESS_ERRORS, false, 0, 1},
        {ACCESS_OFF, false, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct relay_world world;
        struct relay_line line;

        relay_world_open(&world, 1);
        world.listener.access = cases[i].access;
        world.listener.access_start = cases[i].start;
        relay_world_join(&world, &line);
        relay_world_part(&world, &line);
        assert_int_equal(records(&world), cases[i].done);
        relay_world_join(&world, &line);
        session_end(line.session, CLOSE_KILLED);
        assert_int_equal(records(&world), cases[i].killed);
        peer_close(&line.client);
        peer_close(&line.server);
        relay_world_close(&world);
    }
}

static void test_ids_are_never_used_twice(void **state)
{
    struct relay_world world;
    struct relay_line line;
    uint64_t last = 0;

    relay_world_open(&world, 1);
    for (int i = 0; i < 5; i++) {
        relay_world_join(&world, &line);
        assert_true(line.session->id > last);
        last = line.session->id;
        relay_world_part(&world, &line);
    }
    relay_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_session_relays_both_ways_and_says_so),
        cmocka_unit_test(test_bulk_goes_through_pipes_and_small_messages_do_not),
        cmocka_unit_test(test_every_byte_arrives_while_methods_flip_at_random),
        cmocka_unit_test(test_an_idle_session_owns_neither_buffer_nor_pipe),
        cmocka_unit_test(test_idle_means_nothing_moved_for_a_second),
        cmocka_unit_test(test_an_end_of_our_own_resets_both_sides_at_once),
        cmocka_unit_test(test_undelivered_bytes_of_a_cut_session_are_counted_exactly),
        cmocka_unit_test(test_an_end_in_the_send_queue_is_no_undelivered_byte),
        cmocka_unit_test(test_undelivered_bytes_to_a_unix_server_are_bytes_not_memory),
        cmocka_unit_test(test_a_session_may_be_cut_in_every_state),
        cmocka_unit_test_teardown(test_without_memory_nothing_is_taken_over, mend),
        cmocka_unit_test_teardown(test_without_epoll_space_nothing_is_taken_over, mend),
        cmocka_unit_test(test_the_client_is_shown_as_configured),
        cmocka_unit_test(test_a_live_session_is_described_as_it_is_now),
        cmocka_unit_test(test_access_decides_which_sessions_leave_a_record),
        cmocka_unit_test(test_ids_are_never_used_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
