/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_step_relay.c - half-close in every order, and the clocks: which one runs, what restarts it,
 * whom it blames. The clock of the timers stands still and moves only when a test lets time pass.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "relay/relay_world.h"
#include "relay/step.h"

/* The timeout under test; the others are off or much longer. */
#define PERIOD_MS 60000

/* What fits into the relay's send buffer, but by far not into a narrow receiver's. */
#define NARROW_BYTES 60000

static struct {
    bool malloc_fails;
    int64_t now_ms; /* what clock_now_ms() tells; 0: the time of day */
} calls;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
int64_t __real_clock_now_ms(void);
int64_t __wrap_clock_now_ms(void);

void *__wrap_malloc(size_t size)
{
    return calls.malloc_fails ? NULL : __real_malloc(size);
}

int64_t __wrap_clock_now_ms(void)
{
    return calls.now_ms != 0 ? calls.now_ms : __real_clock_now_ms();
}

static int stop_clock(void **state)
{
    calls.malloc_fails = false;
    calls.now_ms = 1000000;
    return 0;
}

/* Lets time pass: the session's timer fires whenever it was armed to, as it would in earnest. */
static void pass_time(struct relay_world *world, struct relay_line *line, int64_t ms)
{
    int64_t until_ms = calls.now_ms + ms;

    while (relay_world_has(world, line->session) && line->session->armed_ms != 0 &&
           line->session->armed_ms <= until_ms) {
        if (calls.now_ms < line->session->armed_ms)
            calls.now_ms = line->session->armed_ms;
        event_del(&line->session->timer);
        event_active(&line->session->timer, EV_TIMEOUT, 1);
        event_base_loop(world->base, EVLOOP_NONBLOCK);
    }
    calls.now_ms = until_ms;
}

static void assert_alive(struct relay_world *world, struct relay_line *line)
{
    if (!relay_world_has(world, line->session))
        fail_msg("cut: %s", close_reason_word(relay_world_record(world).reason));
}

/* Both directions and both methods of relaying are alike, so most cases run in all four ways. */
struct way {
    bool splice;
    enum direction direction; /* of the flow that the case is about */
};

static const struct way ways[] = {
    {false, UPLOAD}, {false, DOWNLOAD}, {true, UPLOAD}, {true, DOWNLOAD}};

static void open_way(struct relay_world *world, struct relay_line *line, struct way way)
{
    relay_world_open(world, 1);
    world->listener.splice = way.splice;
    relay_world_join(world, line);
    if (way.splice) {
        line->session->flow[UPLOAD].method = FLOW_SPLICE;
        line->session->flow[DOWNLOAD].method = FLOW_SPLICE;
    }
}

/* The peer that feeds the flow, and the one that gets its bytes. */
static int *sender(struct relay_line *line, struct way way)
{
    return way.direction == UPLOAD ? &line->client : &line->server;
}

static int *receiver(struct relay_line *line, struct way way)
{
    return way.direction == UPLOAD ? &line->server : &line->client;
}

static enum first first_sender(struct way way)
{
    return way.direction == UPLOAD ? FIRST_CLIENT : FIRST_SERVER;
}

static enum first first_receiver(struct way way)
{
    return way.direction == UPLOAD ? FIRST_SERVER : FIRST_CLIENT;
}

static struct flow *flow_of(struct relay_line *line, struct way way)
{
    return &line->session->flow[way.direction];
}

static bool has_read_all(struct relay_line *line, struct way way)
{
    int unread = 0;
    int queued = 0;

    assert_int_equal(ioctl(flow_of(line, way)->source->fd, FIONREAD, &unread), 0);
    assert_int_equal(ioctl(*sender(line, way), SIOCOUTQ, &queued), 0);
    return unread == 0 && queued == 0;
}

/* Sends until the flow holds what its destination does not take, and nothing is left to read. */
static uint64_t stall(struct relay_world *world, struct relay_line *line, struct way way)
{
    uint64_t sent = 0;

    RUN_UNTIL(world, (sent += has_read_all(line, way) && flow_of(line, way)->stalled_ms == 0
                                  ? peer_send_some(*sender(line, way), sent, 30000)
                                  : 0,
                      flow_of(line, way)->stalled_ms != 0 && has_read_all(line, way)));
    return sent;
}

/* Waits until the receiver's kernel has acknowledged everything, the end included. */
static void settle(struct relay_world *world, struct relay_line *line, struct way way)
{
    RUN_UNTIL(world, socket_unacknowledged(flow_of(line, way)->destination->fd) == 0);
}

static void part_cut(struct relay_world *world, struct relay_line *line)
{
    peer_close(&line->client);
    peer_close(&line->server);
    relay_world_close(world);
}

/* Half-close */

static void test_one_end_leaves_the_other_direction_open(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct session_record record;
        struct relay_line line;

        open_way(&world, &line, way);
        peer_send(*sender(&line, way), 0, 1000);
        shutdown(*sender(&line, way), SHUT_WR);
        relay_world_receive(&world, *receiver(&line, way), 0, 1000);
        assert_int_equal(relay_world_end(&world, *receiver(&line, way), 1000, NULL), PEER_ENDED);
        relay_world_run_for(&world, 30);
        assert_true(relay_world_has(&world, line.session));
        /* The answer comes long after the question's end. */
        relay_world_send(&world, *receiver(&line, way), 0, 200000);
        relay_world_receive(&world, *sender(&line, way), 0, 200000);
        shutdown(*receiver(&line, way), SHUT_WR);
        assert_int_equal(relay_world_end(&world, *sender(&line, way), 200000, NULL), PEER_ENDED);
        record = relay_world_last_record(&world);
        assert_int_equal(record.reason, CLOSE_DONE);
        assert_int_equal(record.first, first_sender(way));
        part_cut(&world, &line);
    }
}

static void test_both_ends_at_once_are_a_clean_end(void **state)
{
    struct relay_world world;
    struct relay_line line;

    open_way(&world, &line, (struct way){false, UPLOAD});
    shutdown(line.client, SHUT_WR);
    shutdown(line.server, SHUT_WR);
    assert_int_equal(relay_world_end(&world, line.client, 0, NULL), PEER_ENDED);
    assert_int_equal(relay_world_end(&world, line.server, 0, NULL), PEER_ENDED);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_DONE);
    part_cut(&world, &line);
}

static void test_an_end_behind_full_buffers_waits_for_the_last_byte(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct relay_line line;
        uint64_t sent;

        open_way(&world, &line, way);
        sent = stall(&world, &line, way);
        shutdown(*sender(&line, way), SHUT_WR);
        relay_world_run_for(&world, 30);
        assert_false(flow_of(&line, way)->destination->fin_out);
        relay_world_receive(&world, *receiver(&line, way), 0, sent);
        assert_int_equal(relay_world_end(&world, *receiver(&line, way), sent, NULL), PEER_ENDED);
        relay_world_part(&world, &line);
        assert_int_equal(relay_world_record(&world).reason, CLOSE_DONE);
        relay_world_close(&world);
    }
}

static void test_trickle_after_a_half_close_keeps_the_session(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct relay_line line;

        open_way(&world, &line, way);
        world.listener.half_close_timeout_ms = PERIOD_MS;
        shutdown(*sender(&line, way), SHUT_WR);
        assert_int_equal(relay_world_end(&world, *receiver(&line, way), 0, NULL), PEER_ENDED);
        settle(&world, &line, way);
        for (uint64_t k = 0; k < 4; k++) {
            pass_time(&world, &line, PERIOD_MS - 1);
            assert_alive(&world, &line);
            peer_send(*receiver(&line, way), k, 1);
            relay_world_receive(&world, *sender(&line, way), k, 1);
        }
        pass_time(&world, &line, PERIOD_MS - 1);
        assert_alive(&world, &line);
        pass_time(&world, &line, 1);
        assert_int_equal(relay_world_last_record(&world).reason, CLOSE_HALF_CLOSE_TIMEOUT);
        part_cut(&world, &line);
    }
}

static void test_half_close_timeout_names_the_side_that_owes_its_end(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct session_record record;
        struct relay_line line;

        open_way(&world, &line, way);
        world.listener.half_close_timeout_ms = PERIOD_MS;
        world.listener.idle_timeout_ms = PERIOD_MS / 2; /* off after an end */
        shutdown(*sender(&line, way), SHUT_WR);
        assert_int_equal(relay_world_end(&world, *receiver(&line, way), 0, NULL), PEER_ENDED);
        settle(&world, &line, way);
        pass_time(&world, &line, PERIOD_MS - 1);
        assert_alive(&world, &line);
        pass_time(&world, &line, 1);
        assert_int_equal(relay_world_end(&world, *sender(&line, way), 0, NULL), PEER_RESET);
        record = relay_world_last_record(&world);
        assert_int_equal(record.reason, CLOSE_HALF_CLOSE_TIMEOUT);
        assert_int_equal(record.waited_for, first_receiver(way));
        assert_int_equal(record.first, first_sender(way));
        assert_int_equal(record.phase, PHASE_RELAY);
        part_cut(&world, &line);
    }
}

static void test_half_close_clock_starts_when_the_end_is_passed_on(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct relay_line line;
        uint64_t sent;

        open_way(&world, &line, way);
        world.listener.half_close_timeout_ms = PERIOD_MS;
        sent = stall(&world, &line, way);
        shutdown(*sender(&line, way), SHUT_WR);
        /* The receiver is slow: the end reaches it long after it was read. */
        pass_time(&world, &line, PERIOD_MS - 1);
        relay_world_receive(&world, *receiver(&line, way), 0, sent);
        assert_int_equal(relay_world_end(&world, *receiver(&line, way), sent, NULL), PEER_ENDED);
        settle(&world, &line, way);
        pass_time(&world, &line, PERIOD_MS - 1);
        assert_alive(&world, &line);
        pass_time(&world, &line, 1);
        assert_int_equal(relay_world_last_record(&world).reason, CLOSE_HALF_CLOSE_TIMEOUT);
        part_cut(&world, &line);
    }
}

/* Receives `size` more bytes when they are there, then waits for the kernel to tell the sender. */
static void receive_some(struct relay_world *world, struct relay_line *line, struct way way,
                         uint64_t *position, size_t size)
{
    int fd = flow_of(line, way)->destination->fd;
    int before = socket_unacknowledged(fd);

    relay_world_receive(world, *receiver(line, way), *position, size);
    *position += size;
    RUN_UNTIL(world, socket_unacknowledged(fd) < before);
}

/* The same as relay_world_join() with small buffers at the peers' ends. */
static void open_narrow(struct relay_world *world, struct relay_line *line, struct way way)
{
    int small = 4096;
    int pair[2];
    int frontend[2];

    relay_world_open(world, 1);
    world->listener.splice = way.splice;
    setsockopt(world->server_fds[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    tcp_pair_sized(pair, 0, small);
    frontend[0] = line->client = pair[1];
    frontend[1] = pair[0];
    relay_world_session(world, frontend);
    line->server = relay_world_server(world, 0);
    line->session = relay_world_last_session(world);
    RUN_UNTIL(world, line->session->state == SESSION_RELAY);
}

static void test_half_close_waits_while_the_ended_direction_is_still_being_received(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct relay_line line;
        uint64_t received = 0;

        open_narrow(&world, &line, way);
        world.listener.half_close_timeout_ms = PERIOD_MS;
        world.listener.stall_timeout_ms = PERIOD_MS;
        /* Most of it stays in the kernel's send queue, and the end behind it. */
        peer_send(*sender(&line, way), 0, NARROW_BYTES);
        shutdown(*sender(&line, way), SHUT_WR);
        RUN_UNTIL(&world, flow_of(&line, way)->state == FLOW_ENDED);
        for (int k = 0; k < 5; k++) {
            pass_time(&world, &line, PERIOD_MS);
            assert_alive(&world, &line);
            receive_some(&world, &line, way, &received, 8192);
        }
        relay_world_receive(&world, *receiver(&line, way), received, NARROW_BYTES - received);
        relay_world_part(&world, &line);
        assert_int_equal(relay_world_record(&world).reason, CLOSE_DONE);
        relay_world_close(&world);
    }
}

static void test_half_close_with_a_receiver_that_stops_receiving_is_a_stall(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct session_record record;
        struct relay_line line;

        open_narrow(&world, &line, way);
        world.listener.half_close_timeout_ms = PERIOD_MS;
        peer_send(*sender(&line, way), 0, NARROW_BYTES);
        shutdown(*sender(&line, way), SHUT_WR);
        RUN_UNTIL(&world, flow_of(&line, way)->state == FLOW_ENDED);
        pass_time(&world, &line, 2 * PERIOD_MS);
        record = relay_world_last_record(&world);
        assert_int_equal(record.reason, CLOSE_STALL_TIMEOUT);
        assert_int_equal(record.waited_for, first_receiver(way));
        assert_true(record.undelivered_bytes > 0);
        part_cut(&world, &line);
    }
}

/* Idle */

static void test_idle_timeout_resets_both_sides(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct relay_line line;

    relay_world_open(&world, 1);
    world.listener.idle_timeout_ms = PERIOD_MS;
    relay_world_join(&world, &line);
    pass_time(&world, &line, PERIOD_MS - 1);
    assert_alive(&world, &line);
    pass_time(&world, &line, 1);
    assert_int_equal(relay_world_end(&world, line.client, 0, NULL), PEER_RESET);
    assert_int_equal(relay_world_end(&world, line.server, 0, NULL), PEER_RESET);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_IDLE_TIMEOUT);
    assert_int_equal(record.waited_for, FIRST_CULVERT); /* both */
    assert_int_equal(record.first, FIRST_CULVERT);
    part_cut(&world, &line);
}

static void test_a_timeout_comes_by_itself_when_its_time_is_over(void **state)
{
    struct relay_world world;
    struct relay_line line;
    int64_t started_ms = clock_now_us() / 1000;

    calls.now_ms = 0;
    relay_world_open(&world, 1);
    world.listener.idle_timeout_ms = 60;
    relay_world_join(&world, &line);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_IDLE_TIMEOUT);
    assert_true(clock_now_us() / 1000 - started_ms >= 52);
    part_cut(&world, &line);
}

static void test_a_byte_in_either_direction_restarts_the_idle_clock(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct relay_line line;

        open_way(&world, &line, way);
        world.listener.idle_timeout_ms = PERIOD_MS;
        /* The clock is read at a change of shape or when the timer fires: make it fire. */
        session_arm(line.session, calls.now_ms + 1);
        for (uint64_t k = 0; k < 4; k++) {
            pass_time(&world, &line, PERIOD_MS - 1);
            assert_alive(&world, &line);
            peer_send(*sender(&line, way), k, 1);
            relay_world_receive(&world, *receiver(&line, way), k, 1);
            settle(&world, &line, way);
        }
        pass_time(&world, &line, PERIOD_MS);
        assert_int_equal(relay_world_last_record(&world).reason, CLOSE_IDLE_TIMEOUT);
        part_cut(&world, &line);
    }
}

static void test_idle_clock_waits_while_the_session_waits_for_a_buffer(void **state)
{
    struct relay_world world;
    struct relay_line line;

    relay_world_open(&world, 1);
    world.listener.splice = false;
    world.listener.idle_timeout_ms = PERIOD_MS;
    world.listener.client_idle_timeout_ms = PERIOD_MS;
    relay_world_join(&world, &line);
    world.buffers.limit_bytes = 1000;
    peer_send(line.client, 0, 5000);
    RUN_UNTIL(&world, list_contains_link(&line.session->queue));
    for (int k = 0; k < 3; k++) {
        pass_time(&world, &line, PERIOD_MS);
        assert_alive(&world, &line);
    }
    world.buffers.limit_bytes = (size_t)1 << 20;
    relay_world_receive(&world, line.server, 0, 5000);
    pass_time(&world, &line, PERIOD_MS);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_IDLE_TIMEOUT);
    part_cut(&world, &line);
}

static void test_idle_clock_waits_while_bytes_are_still_being_received(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct relay_line line;
        uint64_t received = 0;

        open_narrow(&world, &line, way);
        world.listener.idle_timeout_ms = PERIOD_MS;
        peer_send(*sender(&line, way), 0, NARROW_BYTES);
        RUN_UNTIL(&world, flow_of(&line, way)->delivered == NARROW_BYTES);
        for (int k = 0; k < 5; k++) {
            pass_time(&world, &line, PERIOD_MS);
            assert_alive(&world, &line);
            receive_some(&world, &line, way, &received, 8192);
        }
        /* The receiver stops: two looks find the same. */
        pass_time(&world, &line, 2 * PERIOD_MS);
        assert_int_equal(relay_world_last_record(&world).reason, CLOSE_IDLE_TIMEOUT);
        part_cut(&world, &line);
    }
}

static void test_idle_timeout_of_one_side_looks_at_that_side_only(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct session_record record;
        struct relay_line line;

        relay_world_open(&world, 1);
        if (way.direction == UPLOAD)
            world.listener.client_idle_timeout_ms = PERIOD_MS;
        else
            world.listener.server_idle_timeout_ms = PERIOD_MS;
        relay_world_join(&world, &line);
        pass_time(&world, &line, PERIOD_MS - 1);
        peer_send(*receiver(&line, way), 0, 1);
        relay_world_receive(&world, *sender(&line, way), 0, 1);
        assert_alive(&world, &line);
        pass_time(&world, &line, 1);
        record = relay_world_last_record(&world);
        assert_int_equal(record.reason, CLOSE_IDLE_TIMEOUT);
        assert_int_equal(record.waited_for, first_sender(way));
        part_cut(&world, &line);
    }
}

static void test_no_clock_runs_when_all_timeouts_are_off(void **state)
{
    struct relay_world world;
    struct relay_line line;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    pass_time(&world, &line, 10 * PERIOD_MS);
    assert_int_equal(line.session->armed_ms, 0);
    assert_false(evtimer_pending(&line.session->timer, NULL));
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_the_timer_is_armed_no_later_than_the_earliest_deadline(void **state)
{
    struct relay_world world;
    struct relay_line line;
    int64_t armed_ms;

    relay_world_open(&world, 1);
    world.listener.idle_timeout_ms = 50000;
    world.listener.half_close_timeout_ms = 20000;
    world.listener.stall_timeout_ms = 10000;
    relay_world_join(&world, &line);
    pass_time(&world, &line, 5000); /* the connect timer looks, and is armed for the rest */
    armed_ms = line.session->armed_ms;
    assert_int_equal(armed_ms - calls.now_ms, 45000);
    /* Bytes only store a time. */
    relay_world_send(&world, line.client, 0, 100);
    relay_world_receive(&world, line.server, 0, 100);
    assert_int_equal(line.session->armed_ms, armed_ms);
    /* An end brings the deadline forward, a stall again. */
    shutdown(line.client, SHUT_WR);
    assert_int_equal(relay_world_end(&world, line.server, 100, NULL), PEER_ENDED);
    assert_int_equal(line.session->armed_ms - calls.now_ms, 20000);
    stall(&world, &line, (struct way){false, DOWNLOAD});
    assert_int_equal(line.session->armed_ms - calls.now_ms, 10000);
    session_end(line.session, CLOSE_KILLED);
    part_cut(&world, &line);
}

/* Stall */

static void test_stall_timeout_names_the_side_that_takes_nothing(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct session_record record;
        struct relay_line line;

        open_way(&world, &line, way);
        world.listener.stall_timeout_ms = PERIOD_MS;
        stall(&world, &line, way);
        /* What the kernel was still moving when the clock was set counts as progress once. */
        pass_time(&world, &line, PERIOD_MS - 1);
        assert_alive(&world, &line);
        pass_time(&world, &line, 1 + PERIOD_MS);
        record = relay_world_last_record(&world);
        assert_int_equal(record.reason, CLOSE_STALL_TIMEOUT);
        assert_int_equal(record.waited_for, first_receiver(way));
        assert_int_equal(record.first, FIRST_CULVERT);
        assert_true(record.undelivered_bytes > 0);
        part_cut(&world, &line);
    }
}

static void test_a_stall_with_progress_is_never_cut(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct relay_line line;
        uint64_t received = 0;
        uint64_t sent;

        open_narrow(&world, &line, way);
        world.listener.stall_timeout_ms = PERIOD_MS;
        world.listener.idle_timeout_ms = PERIOD_MS / 2; /* stands still: the silence is our doing */
        sent = stall(&world, &line, way);
        for (int k = 0; k < 6; k++) {
            pass_time(&world, &line, PERIOD_MS - 1);
            assert_alive(&world, &line);
            /* So little that the kernel's send buffer has no room yet for a write of ours. */
            receive_some(&world, &line, way, &received, 8192);
            assert_true(flow_of(&line, way)->stalled_ms != 0);
        }
        relay_world_receive(&world, *receiver(&line, way), received, sent - received);
        relay_world_part(&world, &line);
        assert_int_equal(relay_world_record(&world).reason, CLOSE_DONE);
        relay_world_close(&world);
    }
}

static void test_idle_clock_starts_anew_behind_a_stall(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        const struct way way = ways[i];
        struct relay_world world;
        struct relay_line line;
        uint64_t sent;

        open_way(&world, &line, way);
        world.listener.stall_timeout_ms = 10 * PERIOD_MS;
        world.listener.idle_timeout_ms = PERIOD_MS;
        sent = stall(&world, &line, way);
        pass_time(&world, &line, 2 * PERIOD_MS);
        relay_world_receive(&world, *receiver(&line, way), 0, sent);
        settle(&world, &line, way);
        pass_time(&world, &line, PERIOD_MS - 1);
        assert_alive(&world, &line);
        pass_time(&world, &line, 1);
        assert_int_equal(relay_world_last_record(&world).reason, CLOSE_IDLE_TIMEOUT);
        part_cut(&world, &line);
    }
}

/* Socket options of a session that lasts */

static bool has_keepalive(int fd)
{
    int on = 0;
    socklen_t length = sizeof(on);

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &length), 0);
    return on != 0;
}

static void test_a_session_that_lasts_guards_its_backend_socket(void **state)
{
    struct relay_world world;
    struct relay_line line;

    relay_world_open(&world, 1);
    world.pool.options.socket.keepalive_ms = 60000;
    relay_world_join(&world, &line);
    pass_time(&world, &line, 4999);
    assert_false(has_keepalive(line.session->conn[BACKEND].fd));
    pass_time(&world, &line, 1);
    assert_true(has_keepalive(line.session->conn[BACKEND].fd));
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

/* Lifetime */

static void test_max_lifetime_ends_a_busy_session(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct relay_line line;

    relay_world_open(&world, 1);
    world.listener.max_lifetime_ms = PERIOD_MS;
    relay_world_join(&world, &line);
    for (uint64_t k = 0; k < 3; k++) {
        pass_time(&world, &line, PERIOD_MS / 3 - 1);
        assert_alive(&world, &line);
        peer_send(line.client, k, 1);
        relay_world_receive(&world, line.server, k, 1);
    }
    pass_time(&world, &line, 3);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_MAX_LIFETIME);
    assert_int_equal(record.waited_for, FIRST_NOBODY);
    part_cut(&world, &line);
}

static void test_lifetime_jitter_spreads_the_ends_around_the_lifetime(void **state)
{
    struct relay_world world;
    struct relay_line line;
    int64_t least = INT64_MAX, most = INT64_MIN;

    relay_world_open(&world, 1);
    world.listener.max_lifetime_ms = 1000; /* sooner than every other deadline */
    world.listener.lifetime_jitter_percent = 10;
    for (int i = 0; i < 40; i++) {
        int64_t lifetime_ms;

        relay_world_join(&world, &line);
        lifetime_ms = line.session->armed_ms - line.session->state_ms;
        assert_in_range(lifetime_ms, 900, 1100);
        least = lifetime_ms < least ? lifetime_ms : least;
        most = lifetime_ms > most ? lifetime_ms : most;
        relay_world_part(&world, &line);
    }
    assert_true(most - least > 50);
    relay_world_close(&world);
}

/* Shortages */

static void test_no_memory_for_a_residue_ends_the_session_as_no_resources(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct relay_line line;
    uint64_t sent = 0;

    relay_world_open(&world, 1);
    world.listener.splice = false;
    relay_world_join(&world, &line);
    calls.malloc_fails = true;
    RUN_UNTIL(&world, (sent += peer_send_some(line.client, sent, 1 << 20),
                       list_is_empty(&world.resources.sessions)));
    calls.malloc_fails = false;
    record = relay_world_record(&world);
    assert_int_equal(record.reason, CLOSE_NO_RESOURCES);
    assert_int_equal(relay_world_end(&world, line.server, 0, NULL), PEER_RESET);
    part_cut(&world, &line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_end_leaves_the_other_direction_open, stop_clock),
        cmocka_unit_test_setup(test_both_ends_at_once_are_a_clean_end, stop_clock),
        cmocka_unit_test_setup(test_an_end_behind_full_buffers_waits_for_the_last_byte, stop_clock),
        cmocka_unit_test_setup(test_trickle_after_a_half_close_keeps_the_session, stop_clock),
        cmocka_unit_test_setup(test_half_close_timeout_names_the_side_that_owes_its_end,
                               stop_clock),
        cmocka_unit_test_setup(test_half_close_clock_starts_when_the_end_is_passed_on, stop_clock),
        cmocka_unit_test_setup(
            test_half_close_waits_while_the_ended_direction_is_still_being_received, stop_clock),
        cmocka_unit_test_setup(test_half_close_with_a_receiver_that_stops_receiving_is_a_stall,
                               stop_clock),
        cmocka_unit_test_setup(test_idle_timeout_resets_both_sides, stop_clock),
        cmocka_unit_test_setup(test_a_timeout_comes_by_itself_when_its_time_is_over, stop_clock),
        cmocka_unit_test_setup(test_a_byte_in_either_direction_restarts_the_idle_clock, stop_clock),
        cmocka_unit_test_setup(test_idle_clock_waits_while_the_session_waits_for_a_buffer,
                               stop_clock),
        cmocka_unit_test_setup(test_idle_clock_waits_while_bytes_are_still_being_received,
                               stop_clock),
        cmocka_unit_test_setup(test_idle_timeout_of_one_side_looks_at_that_side_only, stop_clock),
        cmocka_unit_test_setup(test_no_clock_runs_when_all_timeouts_are_off, stop_clock),
        cmocka_unit_test_setup(test_the_timer_is_armed_no_later_than_the_earliest_deadline,
                               stop_clock),
        cmocka_unit_test_setup(test_stall_timeout_names_the_side_that_takes_nothing, stop_clock),
        cmocka_unit_test_setup(test_a_stall_with_progress_is_never_cut, stop_clock),
        cmocka_unit_test_setup(test_idle_clock_starts_anew_behind_a_stall, stop_clock),
        cmocka_unit_test_setup(test_a_session_that_lasts_guards_its_backend_socket, stop_clock),
        cmocka_unit_test_setup(test_max_lifetime_ends_a_busy_session, stop_clock),
        cmocka_unit_test_setup(test_lifetime_jitter_spreads_the_ends_around_the_lifetime,
                               stop_clock),
        cmocka_unit_test_setup(test_no_memory_for_a_residue_ends_the_session_as_no_resources,
                               stop_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
