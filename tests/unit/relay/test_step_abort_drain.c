/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_step_abort_drain.c - a reset of one side: what came before it is delivered, then the other
 * side is reset. Everything runs both ways round, copying and splicing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/socket.h"
#include "relay/relay_world.h"
#include "relay/step.h"

/* The clock of the timers stands still while this is set. */
static int64_t frozen_ms;

int64_t __real_clock_now_ms(void);
int64_t __wrap_clock_now_ms(void);

int64_t __wrap_clock_now_ms(void)
{
    return frozen_ms != 0 ? frozen_ms : __real_clock_now_ms();
}

static int thaw(void **state)
{
    frozen_ms = 0;
    return 0;
}

/* The flow whose source is reset, and whether it splices. */
struct way {
    bool splice;
    enum direction direction;
};

static const struct way ways[] = {
    {false, UPLOAD}, {false, DOWNLOAD}, {true, UPLOAD}, {true, DOWNLOAD}};

struct line {
    struct relay_world world;
    struct relay_line relay;
    struct way way;
    int *sender; /* the peer that resets */
    int *receiver;
    struct flow *flow;
};

static void line_open_sized(struct line *line, struct way way, int receive_buffer)
{
    int pair[2];
    int frontend[2];

    memset(line, 0, sizeof(*line));
    line->way = way;
    relay_world_open(&line->world, 1);
    line->world.listener.splice = way.splice;
    if (receive_buffer > 0)
        setsockopt(line->world.server_fds[0], SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                   sizeof(receive_buffer));
    tcp_pair_sized(pair, 0, receive_buffer);
    frontend[0] = line->relay.client = pair[1];
    frontend[1] = pair[0];
    relay_world_session(&line->world, frontend);
    line->relay.server = relay_world_server(&line->world, 0);
    line->relay.session = relay_world_last_session(&line->world);
    RUN_UNTIL(&line->world, line->relay.session->state == SESSION_RELAY);
    line->sender = way.direction == UPLOAD ? &line->relay.client : &line->relay.server;
    line->receiver = way.direction == UPLOAD ? &line->relay.server : &line->relay.client;
    line->flow = &line->relay.session->flow[way.direction];
    if (way.splice)
        line->flow->method = FLOW_SPLICE;
}

static void line_open(struct line *line, struct way way)
{
    line_open_sized(line, way, 0);
}

static void line_close(struct line *line)
{
    peer_close(&line->relay.client);
    peer_close(&line->relay.server);
    relay_world_close(&line->world);
}

static bool has_read_all(struct line *line)
{
    int unread = 0;
    int queued = 0;

    assert_int_equal(ioctl(line->flow->source->fd, FIONREAD, &unread), 0);
    assert_int_equal(ioctl(*line->sender, SIOCOUTQ, &queued), 0);
    return unread == 0 && queued == 0;
}

/*
 * Sends until the flow holds what the receiver does not take, and some more that waits in the
 * source's socket. The relay's kernel has all of it; answers how much it is.
 */
static uint64_t stall(struct line *line)
{
    uint64_t sent = 0;

    RUN_UNTIL(&line->world, (sent += has_read_all(line) && line->flow->stalled_ms == 0
                                         ? peer_send_some(*line->sender, sent, 30000)
                                         : 0,
                             line->flow->stalled_ms != 0 && has_read_all(line)));
    peer_send(*line->sender, sent, 50000);
    peer_wait_acknowledged(*line->sender);
    return sent + 50000;
}

static enum close_reason reset_reason(struct way way)
{
    return way.direction == UPLOAD ? CLOSE_CLIENT_RESET : CLOSE_SERVER_RESET;
}

static enum first first_sender(struct way way)
{
    return way.direction == UPLOAD ? FIRST_CLIENT : FIRST_SERVER;
}

static void assert_reset_record(struct line *line)
{
    struct session_record record = relay_world_last_record(&line->world);

    assert_int_equal(record.reason, reset_reason(line->way));
    assert_int_equal(record.error, ECONNRESET);
    assert_int_equal(record.phase, PHASE_RELAY);
    assert_int_equal(record.first, first_sender(line->way));
}

static void check_bytes_then_reset(struct way way, size_t size, bool at_once)
{
    struct line line;
    size_t received;

    line_open(&line, way);
    if (at_once) {
        /* Data and reset in one wake-up. */
        peer_send(*line.sender, 0, size);
    } else {
        relay_world_send(&line.world, *line.sender, 0, size);
        peer_wait_acknowledged(*line.sender);
    }
    peer_reset(line.sender);
    assert_int_equal(relay_world_end(&line.world, *line.receiver, 0, &received), PEER_RESET);
    assert_int_equal(received, size);
    assert_reset_record(&line);
    line_close(&line);
}

static void test_a_reset_stays_a_reset(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++)
        check_bytes_then_reset(ways[i], 0, true);
}

static void test_bytes_before_a_reset_are_delivered(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        check_bytes_then_reset(ways[i], 1000, true);
        check_bytes_then_reset(ways[i], 1000, false);
        check_bytes_then_reset(ways[i], 60000, true);
    }
}

static void test_bytes_in_full_sockets_before_a_reset_are_delivered_to_a_slow_reader(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;
        enum peer_end end = PEER_OPEN;
        uint64_t received = 0;
        uint64_t sent;

        line_open_sized(&line, ways[i], 32768);
        sent = stall(&line);
        peer_reset(line.sender);
        for (int k = 0; k < 3; k++)
            relay_world_turn(&line.world);
        while (end == PEER_OPEN) {
            received += peer_receive_some(*line.receiver, received, 50000, &end);
            relay_world_turn(&line.world);
        }
        assert_int_equal(end, PEER_RESET);
        assert_int_equal(received, sent);
        assert_reset_record(&line);
        line_close(&line);
    }
}

static void test_a_reader_that_takes_nothing_is_reset_after_two_seconds(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;
        struct session_record record;
        struct session *session;
        uint64_t sent = 0;
        int64_t progress_ms = 0;

        line_open_sized(&line, ways[i], 32768);
        session = line.relay.session;
        RUN_UNTIL(&line.world, (sent += peer_send_some(*line.sender, sent, 1 << 20),
                                line.flow->stalled_ms != 0));
        frozen_ms = clock_now_ms();
        peer_reset(line.sender);
        RUN_UNTIL(&line.world, session->state == SESSION_ABORT_DRAIN && session->looks > 0);
        /* The kernel may still move what its buffers take: that counts as progress, too. */
        for (int turn = 0; relay_world_has(&line.world, session); turn++) {
            assert_true(turn < 20000);
            progress_ms = session->state_ms;
            frozen_ms += 50;
            relay_world_turn(&line.world);
        }
        assert_in_range(frozen_ms - progress_ms, 2000, 2000 + 100000);
        record = relay_world_record(&line.world);
        assert_int_equal(record.reason, reset_reason(ways[i]));
        assert_true(record.undelivered_bytes > 0);
        thaw(NULL);
        line_close(&line);
    }
}

static void test_progress_restarts_the_two_seconds(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;
        size_t rest;
        uint64_t sent = 0;
        uint64_t received = 0;

        line_open_sized(&line, ways[i], 32768);
        sent = stall(&line);
        frozen_ms = clock_now_ms();
        peer_reset(line.sender);
        RUN_UNTIL(&line.world, line.relay.session->state == SESSION_ABORT_DRAIN);
        for (int k = 0; k < 2; k++) {
            int64_t before_ms = line.relay.session->state_ms;

            frozen_ms += 1500;
            /* Enough for the kernel to find room for a write of ours. */
            RUN_UNTIL(&line.world, (received += peer_receive_some(*line.receiver, received, 16384,
                                                                  &(enum peer_end){PEER_OPEN}),
                                    !relay_world_has(&line.world, line.relay.session) ||
                                        line.relay.session->state_ms != before_ms));
            assert_true(relay_world_has(&line.world, line.relay.session));
        }
        assert_int_equal(relay_world_end(&line.world, *line.receiver, received, &rest), PEER_RESET);
        assert_int_equal(received + rest, sent);
        assert_reset_record(&line);
        thaw(NULL);
        line_close(&line);
    }
}

static void test_a_reader_too_slow_for_a_write_of_ours_makes_progress_all_the_same(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;
        enum peer_end end = PEER_OPEN;
        size_t rest;
        uint64_t sent = 0;
        uint64_t received = 0;

        line_open_sized(&line, ways[i], 32768);
        sent = stall(&line);
        frozen_ms = clock_now_ms();
        peer_reset(line.sender);
        RUN_UNTIL(&line.world, line.relay.session->state == SESSION_ABORT_DRAIN);
        for (int k = 0; k < 3; k++) {
            int fd = line.flow->destination->fd;
            size_t held = flow_held(line.flow);
            int queued = socket_unacknowledged(fd);

            frozen_ms += 1500;
            /* Some bytes are acknowledged, far fewer than the kernel asks for the next ones after.
             */
            while (socket_unacknowledged(fd) == queued)
                received += peer_receive_some(*line.receiver, received, 4096, &end);
            relay_world_run_for(&line.world, 150);
            assert_true(relay_world_has(&line.world, line.relay.session));
            assert_int_equal(flow_held(line.flow), held);
        }
        assert_int_equal(relay_world_end(&line.world, *line.receiver, received, &rest), PEER_RESET);
        assert_int_equal(received + rest, sent);
        assert_reset_record(&line);
        thaw(NULL);
        line_close(&line);
    }
}

static void test_what_was_on_its_way_to_the_dead_side_is_dropped_and_counted(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;
        struct session_record record;
        uint64_t sent = 0;
        uint64_t held;

        line_open_sized(&line, ways[i], 32768);
        /* The other direction holds bytes for the side that is about to die. */
        RUN_UNTIL(&line.world, (sent += peer_send_some(*line.receiver, sent, 1 << 20),
                                flow_held(&line.relay.session->flow[1 - line.way.direction]) > 0));
        held = flow_held(&line.relay.session->flow[1 - line.way.direction]);
        peer_reset(line.sender);
        record = relay_world_last_record(&line.world);
        assert_int_equal(record.reason, reset_reason(ways[i]));
        assert_true(record.undelivered_bytes >= held);
        line_close(&line);
    }
}

/* The relay may read nothing, so it meets no error; and what the dead side sent last cannot come.
 */
static void test_a_reset_is_seen_and_passed_on_while_buffers_are_spent(void **state)
{
    for (int direction = UPLOAD; direction <= DOWNLOAD; direction++) {
        struct way way = {false, (enum direction)direction};
        struct line line;
        struct session *session;
        size_t received;

        line_open(&line, way);
        session = line.relay.session;
        line.world.buffers.used_bytes = line.world.buffers.limit_bytes;
        peer_send(*line.sender, 0, 1000);
        peer_wait_acknowledged(*line.sender);
        RUN_UNTIL(&line.world, list_contains_link(&session->queue));
        relay_world_run_for(&line.world, 60);
        frozen_ms = clock_now_ms();
        peer_reset(line.sender);
        RUN_UNTIL(&line.world, session->state == SESSION_ABORT_DRAIN);
        frozen_ms += 1900;
        relay_world_run_for(&line.world, 200);
        assert_true(relay_world_has(&line.world, session));
        frozen_ms += 200;
        assert_int_equal(relay_world_end(&line.world, *line.receiver, 0, &received), PEER_RESET);
        assert_int_equal(received, 0);
        assert_reset_record(&line);
        thaw(NULL);
        line.world.buffers.used_bytes = 0;
        line_close(&line);
    }
}

static void test_a_reset_while_buffers_are_spent_costs_no_byte_if_one_comes_free(void **state)
{
    for (int direction = UPLOAD; direction <= DOWNLOAD; direction++) {
        struct way way = {false, (enum direction)direction};
        struct line line;
        size_t received;

        line_open(&line, way);
        line.world.buffers.used_bytes = line.world.buffers.limit_bytes;
        peer_send(*line.sender, 0, 1000);
        peer_wait_acknowledged(*line.sender);
        peer_reset(line.sender);
        RUN_UNTIL(&line.world, line.relay.session->state == SESSION_ABORT_DRAIN);
        line.world.buffers.used_bytes = 0;
        assert_int_equal(relay_world_end(&line.world, *line.receiver, 0, &received), PEER_RESET);
        assert_int_equal(received, 1000);
        assert_reset_record(&line);
        line_close(&line);
    }
}

static void test_a_residue_leaves_its_pipe_in_a_drain_too(void **state)
{
    for (int direction = UPLOAD; direction <= DOWNLOAD; direction++) {
        struct way way = {true, (enum direction)direction};
        struct line line;
        size_t held;

        line_open_sized(&line, way, 32768);
        frozen_ms = clock_now_ms();
        stall(&line);
        peer_reset(line.sender);
        RUN_UNTIL(&line.world, line.relay.session->state == SESSION_ABORT_DRAIN);
        held = flow_held(line.flow);
        assert_non_null(line.flow->pipe);
        assert_null(line.flow->buffer);
        frozen_ms += 150;
        RUN_UNTIL(&line.world, line.flow->pipe == NULL);
        assert_non_null(line.flow->buffer);
        assert_int_equal(flow_held(line.flow), held);
        thaw(NULL);
        peer_close(line.receiver);
        assert_reset_record(&line);
        line_close(&line);
    }
}

static void test_on_reset_fin_ends_the_other_side_instead(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;
        size_t received;

        line_open(&line, ways[i]);
        line.world.listener.reset_as_fin = true;
        peer_send(*line.sender, 0, 1000);
        peer_reset(line.sender);
        assert_int_equal(relay_world_end(&line.world, *line.receiver, 0, &received), PEER_ENDED);
        assert_int_equal(received, 1000);
        assert_reset_record(&line);
        line_close(&line);
    }
}

static void test_a_reset_behind_an_end_reaches_the_other_side_behind_that_end(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;
        struct session_record record;

        line_open(&line, ways[i]);
        peer_send(*line.sender, 0, 1000);
        shutdown(*line.sender, SHUT_WR);
        relay_world_receive(&line.world, *line.receiver, 0, 1000);
        assert_int_equal(relay_world_end(&line.world, *line.receiver, 1000, NULL), PEER_ENDED);
        /* Half-closed; then the side that had ended vanishes. */
        peer_reset(line.sender);
        record = relay_world_last_record(&line.world);
        assert_int_equal(record.reason,
                         ways[i].direction == UPLOAD ? CLOSE_CLIENT_RESET : CLOSE_DONE);
        assert_int_equal(record.first, first_sender(ways[i]));
        assert_int_not_equal(peer_poll(*line.receiver, POLLIN, TCP_PAIR_DEADLINE_MS) & POLLERR, 0);
        line_close(&line);
    }
}

static void test_a_server_that_answers_early_and_closes_is_done(void **state)
{
    for (int splice = 0; splice < 2; splice++) {
        struct line line;
        struct session_record record;
        enum peer_end end = PEER_OPEN;
        uint64_t sent = 0;
        size_t received;

        line_open(&line, (struct way){splice == 1, DOWNLOAD});
        peer_send(line.relay.server, 0, 500);
        peer_close(&line.relay.server);
        /* The client goes on sending: the server's kernel answers with a reset. */
        RUN_UNTIL(&line.world, (sent += peer_send_some(line.relay.client, sent, 10000),
                                list_is_empty(&line.world.resources.sessions)));
        received = peer_receive_some(line.relay.client, 0, 1000, &end);
        assert_int_equal(received, 500);
        record = relay_world_record(&line.world);
        assert_int_equal(record.reason, CLOSE_DONE);
        assert_int_equal(record.first, FIRST_SERVER);
        assert_int_equal(record.download_bytes, 500);
        line_close(&line);
    }
}

/* An answer that the client does not take: the server has ended and is gone, but nothing is done.
 */
static void test_an_early_answer_that_does_not_arrive_is_not_done(void **state)
{
    for (int splice = 0; splice < 2; splice++) {
        struct line line;
        struct session_record record;
        uint64_t sent = 0;

        line_open_sized(&line, (struct way){splice == 1, DOWNLOAD}, 32768);
        RUN_UNTIL(&line.world,
                  (sent +=
                   line.flow->stalled_ms == 0 ? peer_send_some(line.relay.server, sent, 30000) : 0,
                   line.flow->stalled_ms != 0 && has_read_all(&line)));
        peer_close(&line.relay.server);
        peer_send(line.relay.client, 0, 100);
        record = relay_world_last_record(&line.world);
        assert_int_equal(record.reason, CLOSE_SERVER_RESET);
        assert_int_equal(record.first, FIRST_SERVER);
        assert_true(record.undelivered_bytes > 0);
        line_close(&line);
    }
}

static void test_bytes_that_a_dead_server_refused_are_counted(void **state)
{
    for (int splice = 0; splice < 2; splice++) {
        struct line line;
        struct session_record record;

        line_open(&line, (struct way){splice == 1, DOWNLOAD});
        if (splice == 1)
            line.relay.session->flow[UPLOAD].method = FLOW_SPLICE;
        peer_close(&line.relay.server);
        assert_int_equal(relay_world_end(&line.world, line.relay.client, 0, NULL), PEER_ENDED);
        peer_send(line.relay.client, 0, 1000);
        RUN_UNTIL(&line.world, line.relay.session->flow[UPLOAD].delivered == 1000);
        /* The reset and further bytes are there before the relay looks at either. */
        while ((peer_poll(line.flow->source->fd, 0, TCP_PAIR_DEADLINE_MS) & POLLERR) == 0)
            continue;
        peer_send(line.relay.client, 1000, 500);
        peer_wait_acknowledged(line.relay.client);
        record = relay_world_last_record(&line.world);
        assert_int_equal(record.reason, CLOSE_DONE);
        assert_int_equal(record.upload_bytes, 1000);
        assert_int_equal(record.undelivered_bytes, 500);
        line_close(&line);
    }
}

static void test_a_send_that_eats_the_reset_does_not_hide_it(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;
        size_t received;

        line_open(&line, ways[i]);
        /*
         * The sender's bytes and its reset are there, but the relay first meets the reset with a
         * write: the other peer's bytes came in an earlier event.
         */
        line.relay.session->active_side = ways[i].direction == UPLOAD ? BACKEND : FRONTEND;
        peer_send(*line.receiver, 0, 100);
        peer_wait_acknowledged(*line.receiver);
        peer_send(*line.sender, 0, 1000);
        peer_reset(line.sender);
        while ((peer_poll(line.flow->source->fd, POLLRDHUP, TCP_PAIR_DEADLINE_MS) & POLLERR) == 0)
            continue;
        line.flow->destination->ready_in = true;
        session_run(line.relay.session);
        assert_int_equal(relay_world_end(&line.world, *line.receiver, 0, &received), PEER_RESET);
        assert_int_equal(received, 1000);
        assert_reset_record(&line);
        line_close(&line);
    }
}

static void test_an_end_of_one_side_that_meets_a_reset_of_the_other_is_that_reset(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;
        size_t received;

        line_open(&line, ways[i]);
        /* Both are there before the relay looks, and it looks at the end first. */
        peer_send(*line.sender, 0, 1000);
        peer_reset(line.sender);
        shutdown(*line.receiver, SHUT_WR);
        while ((peer_poll(line.flow->source->fd, POLLRDHUP, TCP_PAIR_DEADLINE_MS) & POLLERR) == 0)
            continue;
        peer_poll(line.flow->destination->fd, POLLRDHUP, TCP_PAIR_DEADLINE_MS);
        line.relay.session->active_side = ways[i].direction == UPLOAD ? BACKEND : FRONTEND;
        line.flow->destination->ready_in = true;
        session_run(line.relay.session);
        assert_int_equal(relay_world_end(&line.world, *line.receiver, 0, &received), PEER_RESET);
        assert_int_equal(received, 1000);
        assert_int_equal(relay_world_last_record(&line.world).error, ECONNRESET);
        line_close(&line);
    }
}

static void test_both_sides_reset_at_once_and_the_session_ends(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;
        uint64_t sent = 0;

        line_open_sized(&line, ways[i], 32768);
        RUN_UNTIL(&line.world, (sent += peer_send_some(*line.sender, sent, 1 << 20),
                                line.flow->stalled_ms != 0));
        peer_reset(line.sender);
        peer_reset(line.receiver);
        assert_true(relay_world_last_record(&line.world).undelivered_bytes > 0);
        line_close(&line);
    }
}

static void test_the_other_side_dies_while_the_rest_is_being_delivered(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;
        uint64_t sent = 0;

        line_open_sized(&line, ways[i], 32768);
        RUN_UNTIL(&line.world, (sent += peer_send_some(*line.sender, sent, 1 << 20),
                                line.flow->stalled_ms != 0));
        frozen_ms = clock_now_ms(); /* so that it is not the two seconds */
        peer_reset(line.sender);
        RUN_UNTIL(&line.world, line.relay.session->state == SESSION_ABORT_DRAIN);
        peer_reset(line.receiver);
        assert_reset_record(&line);
        thaw(NULL);
        line_close(&line);
    }
}

static void test_a_stalled_source_that_resets_is_noticed(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;
        uint64_t sent = 0;

        line_open_sized(&line, ways[i], 32768);
        RUN_UNTIL(&line.world, (sent += peer_send_some(*line.sender, sent, 1 << 20),
                                line.flow->stalled_ms != 0));
        relay_world_run_for(&line.world, 50); /* quiet: nothing is on the recheck list */
        peer_reset(line.sender);
        RUN_UNTIL(&line.world, line.relay.session->state == SESSION_ABORT_DRAIN);
        session_end(line.relay.session, CLOSE_DRAINED);
        line_close(&line);
    }
}

static void test_an_abort_holds_no_pipe_and_no_buffer_longer_than_needed(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct line line;

        line_open(&line, ways[i]);
        peer_send(*line.sender, 0, 60000);
        peer_reset(line.sender);
        RUN_UNTIL(&line.world, list_is_empty(&line.world.resources.sessions));
        relay_world_assert_clean(&line.world);
        line_close(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reset_stays_a_reset),
        cmocka_unit_test(test_bytes_before_a_reset_are_delivered),
        cmocka_unit_test(test_bytes_in_full_sockets_before_a_reset_are_delivered_to_a_slow_reader),
        cmocka_unit_test_teardown(test_a_reader_that_takes_nothing_is_reset_after_two_seconds,
                                  thaw),
        cmocka_unit_test_teardown(test_progress_restarts_the_two_seconds, thaw),
        cmocka_unit_test_teardown(
            test_a_reader_too_slow_for_a_write_of_ours_makes_progress_all_the_same, thaw),
        cmocka_unit_test(test_what_was_on_its_way_to_the_dead_side_is_dropped_and_counted),
        cmocka_unit_test_teardown(test_a_reset_is_seen_and_passed_on_while_buffers_are_spent, thaw),
        cmocka_unit_test(test_a_reset_while_buffers_are_spent_costs_no_byte_if_one_comes_free),
        cmocka_unit_test_teardown(test_a_residue_leaves_its_pipe_in_a_drain_too, thaw),
        cmocka_unit_test(test_on_reset_fin_ends_the_other_side_instead),
        cmocka_unit_test(test_a_reset_behind_an_end_reaches_the_other_side_behind_that_end),
        cmocka_unit_test(test_a_server_that_answers_early_and_closes_is_done),
        cmocka_unit_test(test_an_early_answer_that_does_not_arrive_is_not_done),
        cmocka_unit_test(test_bytes_that_a_dead_server_refused_are_counted),
        cmocka_unit_test(test_a_send_that_eats_the_reset_does_not_hide_it),
        cmocka_unit_test(test_an_end_of_one_side_that_meets_a_reset_of_the_other_is_that_reset),
        cmocka_unit_test(test_both_sides_reset_at_once_and_the_session_ends),
        cmocka_unit_test_teardown(test_the_other_side_dies_while_the_rest_is_being_delivered, thaw),
        cmocka_unit_test(test_a_stalled_source_that_resets_is_noticed),
        cmocka_unit_test(test_an_abort_holds_no_pipe_and_no_buffer_longer_than_needed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
