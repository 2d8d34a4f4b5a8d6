/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_relay_resources.c - the run queue, the tick and the waiting for buffers, with live sessions.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "relay/relay_resources.h"
#include "relay/relay_world.h"

static bool poll_fails;

int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

/* The tick's poll alone has no time to wait. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (poll_fails && timeout_ms == 0) {
        errno = ENOMEM;
        return -1;
    }
    return __real_poll(fds, count, timeout_ms);
}

static void test_generator_repeats_nothing_soon_and_depends_on_its_seed(void **state)
{
    struct relay_world world;
    uint64_t first;

    relay_world_open(&world, 0);
    world.resources.random = 7;
    first = relay_random(&world.resources);
    for (int i = 0; i < 1000; i++)
        assert_true(relay_random(&world.resources) != first);
    world.resources.random = 7;
    assert_true(relay_random(&world.resources) == first);
    relay_world_close(&world);
}

static void test_timers_rest_while_there_is_nothing_to_do(void **state)
{
    struct relay_world world;
    struct relay_line line;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    RUN_UNTIL(&world, list_is_empty(&world.resources.recheck) && !world.resources.is_tick_pending &&
                          !world.resources.is_run_pending);
    assert_false(evtimer_pending(world.resources.tick_event, NULL));
    assert_false(evtimer_pending(world.resources.run_event, NULL));
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_a_bulk_session_does_not_hold_up_a_small_one(void **state)
{
    struct relay_world world;
    struct relay_line bulk, small;
    enum peer_end end = PEER_OPEN;
    uint64_t sent = 0;
    uint64_t received = 0;
    unsigned answered = 0;
    uint64_t bulk_at_start;

    relay_world_open(&world, 1);
    world.listener.splice = false; /* more rounds for the same bytes */
    relay_world_join(&world, &bulk);
    relay_world_join(&world, &small);
    sent = peer_send_some(bulk.client, 0, 4 << 20);
    bulk_at_start = bulk.session->flow[UPLOAD].delivered;
    /* Each turn of the loop refills the bulk session, so that it could run for ever. */
    peer_send(small.client, 0, 1);
    for (int turn = 0; turn < 20000 && answered < 50; turn++) {
        sent += peer_send_some(bulk.client, sent, 1 << 20);
        received += peer_receive_some(bulk.server, received, 1 << 20, &end);
        event_base_loop(world.base, EVLOOP_ONCE);
        if (peer_receive_some(small.server, answered, 1, &end) == 1) {
            answered++;
            peer_send(small.client, answered, 1);
        }
    }
    assert_int_equal(answered, 50);
    assert_true(bulk.session->flow[UPLOAD].delivered - bulk_at_start > (1 << 20));
    relay_world_part(&world, &bulk);
    relay_world_part(&world, &small);
    relay_world_close(&world);
}

static void test_a_turn_of_the_run_queue_takes_only_who_was_queued_before(void **state)
{
    struct relay_world world;
    struct relay_line line;
    uint64_t before;

    relay_world_open(&world, 1);
    world.listener.splice = false;
    world.listener.buffer_size = 1024;
    relay_world_join(&world, &line);
    peer_send(line.client, 0, 60000);
    peer_wait_acknowledged(line.client);
    RUN_UNTIL(&world, list_contains_link(&line.session->queue));
    before = line.session->flow[UPLOAD].delivered;
    event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    /* One turn moves one budget, although the session queues itself again. */
    assert_in_range(line.session->flow[UPLOAD].delivered, before, before + RELAY_ROUNDS * 1024);
    relay_world_receive(&world, line.server, 0, 60000);
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_sessions_wait_for_a_buffer_and_go_on_when_there_is_one(void **state)
{
    struct relay_world world;
    struct relay_line line;

    relay_world_open(&world, 1);
    world.listener.splice = false;
    relay_world_join(&world, &line);
    world.buffers.limit_bytes = 1000;
    peer_send(line.client, 0, 5000);
    RUN_UNTIL(&world, list_contains_link(&line.session->queue));
    relay_world_run_for(&world, 60);
    assert_true(list_contains_link(&line.session->queue));
    assert_int_equal(line.session->flow[UPLOAD].delivered, 0);
    world.buffers.limit_bytes = (size_t)1 << 20;
    relay_world_receive(&world, line.server, 0, 5000);
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_a_session_that_waits_for_a_buffer_may_end(void **state)
{
    struct relay_world world;
    struct relay_line line;

    relay_world_open(&world, 1);
    world.listener.splice = false;
    relay_world_join(&world, &line);
    world.buffers.limit_bytes = 1000;
    peer_send(line.client, 0, 5000);
    RUN_UNTIL(&world, list_contains_link(&line.session->queue));
    session_end(line.session, CLOSE_KILLED);
    relay_world_run_for(&world, 40);
    world.buffers.limit_bytes = (size_t)1 << 20;
    peer_close(&line.client);
    peer_close(&line.server);
    relay_world_close(&world);
}

static void test_waiting_for_a_buffer_one_way_does_not_stop_the_other_way(void **state)
{
    struct relay_world world;
    struct relay_line line;
    uint64_t sent = 0;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    /* The download splices, which needs no buffer; the upload copies, which does. */
    line.session->flow[DOWNLOAD].method = FLOW_SPLICE;
    world.buffers.limit_bytes = 1000;
    sent = peer_send_some(line.server, 0, 4 << 20);
    peer_send(line.client, 0, 500);
    RUN_UNTIL(&world, list_contains_link(&line.session->queue));
    relay_world_receive(&world, line.client, 0, sent);
    assert_int_equal(line.session->flow[UPLOAD].delivered, 0);
    world.buffers.limit_bytes = (size_t)64 << 20;
    relay_world_receive(&world, line.server, 0, 500);
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_waiting_for_a_buffer_is_left_when_the_other_way_has_its_turn_to_come(void **state)
{
    struct relay_world world;
    struct relay_line line;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    line.session->flow[DOWNLOAD].method = FLOW_SPLICE;
    world.buffers.limit_bytes = 1000;
    /* More than one pump's rounds of splices for the download, while the upload cannot read. */
    world.pipes.pipe_bytes = 65536;
    RUN_UNTIL(&world, peer_send_some(line.server, 0, 0) == 0);
    for (uint64_t sent = 0; sent < (3 << 20);) {
        size_t some = peer_send_some(line.server, sent, 1 << 20);

        if (some == 0)
            break;
        sent += some;
    }
    peer_send(line.client, 0, 500);
    peer_wait_acknowledged(line.client);
    line.session->conn[FRONTEND].ready_in = true;
    line.session->conn[BACKEND].ready_in = true;
    line.session->active_side = FRONTEND;
    session_run(line.session);
    if (line.session->flow[DOWNLOAD].delivered < 100000)
        fail_msg("the download moved only %d bytes", (int)line.session->flow[DOWNLOAD].delivered);
    assert_true(world.resources.is_run_pending);
    world.buffers.limit_bytes = (size_t)64 << 20;
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

/* The tick */

static void test_bytes_behind_an_urgent_mark_arrive_without_an_edge(void **state)
{
    struct relay_world world;
    struct relay_line line;
    char bytes[8] = {0};

    for (int splice = 0; splice < 2; splice++) {
        relay_world_open(&world, 1);
        world.listener.splice = splice == 1;
        relay_world_join(&world, &line);
        if (splice == 1)
            line.session->flow[UPLOAD].method = FLOW_SPLICE;
        /* Acknowledged before the loop runs: all in one wake-up. */
        assert_int_equal(send(line.client, "abc", 3, MSG_NOSIGNAL), 3);
        assert_int_equal(send(line.client, "U", 1, MSG_NOSIGNAL | MSG_OOB), 1);
        assert_int_equal(send(line.client, "def", 3, MSG_NOSIGNAL), 3);
        peer_wait_acknowledged(line.client);
        RUN_UNTIL(&world, recv(line.server, bytes, 7, MSG_PEEK) == 7);
        assert_int_equal(recv(line.server, bytes, 7, 0), 7);
        assert_string_equal(bytes, "abcUdef");
        relay_world_part(&world, &line);
        relay_world_close(&world);
    }
}

static void test_a_reset_behind_data_in_one_wakeup_is_found(void **state)
{
    struct relay_world world;
    struct relay_line line;
    size_t received;

    for (int splice = 0; splice < 2; splice++) {
        relay_world_open(&world, 1);
        world.listener.splice = splice == 1;
        relay_world_join(&world, &line);
        if (splice == 1)
            line.session->flow[UPLOAD].method = FLOW_SPLICE;
        peer_send(line.client, 0, 1000);
        peer_reset(&line.client);
        assert_int_equal(relay_world_end(&world, line.server, 0, &received), PEER_RESET);
        assert_int_equal(received, 1000);
        peer_close(&line.server);
        relay_world_last_record(&world);
        relay_world_close(&world);
    }
}

static void test_more_conns_than_one_poll_takes_are_all_asked(void **state)
{
    enum { LINES = 300 }; /* 600 conns; RELAY_LOOKS are asked at once */
    static struct relay_line lines[LINES];
    struct relay_world world;

    relay_world_open(&world, 1);
    for (int i = 0; i < LINES; i++)
        relay_world_join(&world, &lines[i]);
    for (int i = 0; i < LINES; i++) {
        for (int side = FRONTEND; side <= BACKEND; side++) {
            lines[i].session->conn[side].was_active = false;
            relay_recheck(&world.resources, &lines[i].session->conn[side]);
        }
    }
    RUN_UNTIL(&world, list_is_empty(&world.resources.recheck));
    for (int i = 0; i < LINES; i++)
        relay_world_part(&world, &lines[i]);
    relay_world_close(&world);
}

static void test_a_session_may_end_while_the_tick_goes_over_its_conns(void **state)
{
    struct relay_world world;
    struct relay_line lines[3];

    relay_world_open(&world, 1);
    for (int i = 0; i < 3; i++)
        relay_world_join(&world, &lines[i]);
    /* Both conns of each session are on the list, and the first look ends the session. */
    for (int i = 0; i < 3; i++) {
        peer_reset(&lines[i].client);
        peer_reset(&lines[i].server);
        for (int side = FRONTEND; side <= BACKEND; side++) {
            struct conn *conn = &lines[i].session->conn[side];

            assert_true(peer_poll(conn->fd, POLLIN, TCP_PAIR_DEADLINE_MS) != 0);
            conn->was_active = false;
            relay_recheck(&world.resources, conn);
        }
    }
    RUN_UNTIL(&world, list_is_empty(&world.resources.sessions));
    relay_world_close(&world);
}

static void test_conns_are_looked_at_although_the_poll_fails(void **state)
{
    struct relay_world world;
    struct relay_line line;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    /* Data and reset in one wake-up: without the tick the reset would not be seen. */
    peer_send(line.client, 0, 1000);
    peer_reset(&line.client);
    poll_fails = true;
    RUN_UNTIL(&world, list_is_empty(&world.resources.sessions));
    poll_fails = false;
    assert_int_equal(relay_world_end(&world, line.server, 0, NULL), PEER_RESET);
    peer_close(&line.server);
    relay_world_close(&world);
}

static void test_a_residue_leaves_its_pipe_after_100_ms(void **state)
{
    struct relay_world world;
    struct relay_line line;
    uint64_t sent = 0;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    line.session->flow[UPLOAD].method = FLOW_SPLICE;
    RUN_UNTIL(&world, (sent += peer_send_some(line.client, sent, 1 << 20),
                       line.session->flow[UPLOAD].pipe != NULL));
    assert_int_equal(counter_get(&world.resources.pipes.lent), 1);
    RUN_UNTIL(&world, line.session->flow[UPLOAD].pipe == NULL);
    assert_true(clock_now_ms() - line.session->flow[UPLOAD].stalled_ms >= 100);
    assert_non_null(line.session->flow[UPLOAD].buffer);
    assert_int_equal(counter_get(&world.resources.pipes.lent), 0);
    relay_world_receive(&world, line.server, 0, sent);
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_releasing_empty_resources_is_harmless(void **state)
{
    struct relay_resources resources;

    memset(&resources, 0, sizeof(resources));
    relay_resources_release(&resources);
    assert_null(resources.base);
}

/* Without memory */

static bool has_no_memory;

static void *maybe_realloc(void *memory, size_t size)
{
    return has_no_memory ? NULL : realloc(memory, size);
}

#define FILLERS 64

/* Adds timers until libevent would need memory for one more, and has none. */
static size_t fill_timers(struct relay_world *world, struct event *fillers)
{
    static const struct timeval hour = {3600, 0};
    size_t filled = 0;

    event_set_mem_functions(malloc, maybe_realloc, free);
    has_no_memory = true;
    do {
        assert_true(filled < FILLERS);
        event_assign(&fillers[filled], world->base, -1, 0, relay_world_heartbeat, NULL);
    } while (event_add(&fillers[filled++], &hour) == 0);
    return filled - 1;
}

static void empty_timers(struct event *fillers, size_t filled)
{
    has_no_memory = false;
    while (filled > 0)
        event_del(&fillers[--filled]);
}

static void test_the_run_queue_and_the_tick_run_without_memory_for_a_timer(void **state)
{
    struct relay_world world;
    struct event fillers[FILLERS];
    size_t filled;

    relay_world_open(&world, 0);
    filled = fill_timers(&world, fillers);
    for (int round = 0; round < 3; round++) {
        relay_wake_run_queue(&world.resources);
        relay_wake_tick(&world.resources);
        assert_true(world.resources.is_run_pending);
        assert_true(world.resources.is_tick_pending);
        RUN_UNTIL(&world, !world.resources.is_run_pending && !world.resources.is_tick_pending);
    }
    empty_timers(fillers, filled);
    /* The room that was given up is back. */
    relay_wake_tick(&world.resources);
    RUN_UNTIL(&world, !world.resources.is_tick_pending);
    for (size_t i = 0; i < RELAY_ROOMS; i++)
        assert_true(evtimer_pending(world.resources.rooms[i], NULL));
    relay_world_close(&world);
}

static void test_a_session_without_a_timer_ends_for_want_of_memory(void **state)
{
    struct relay_world world;
    struct relay_line line;
    struct event fillers[FILLERS];
    struct session_record record;
    size_t filled;
    int pair[2];

    relay_world_open(&world, 1);
    relay_world_join(&world, &line); /* all memory but that for a timer is there afterwards */
    relay_world_part(&world, &line);
    (void)relay_world_record(&world);
    tcp_pair(pair);
    filled = fill_timers(&world, fillers);
    relay_world_session(&world, pair);
    record = relay_world_last_record(&world);
    empty_timers(fillers, filled);
    assert_int_equal(record.reason, CLOSE_NO_RESOURCES);
    assert_int_equal(record.first, FIRST_CULVERT);
    assert_int_equal(relay_world_end(&world, pair[0], 0, NULL), PEER_RESET);
    peer_close(&pair[0]);
    relay_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator_repeats_nothing_soon_and_depends_on_its_seed),
        cmocka_unit_test(test_timers_rest_while_there_is_nothing_to_do),
        cmocka_unit_test(test_a_bulk_session_does_not_hold_up_a_small_one),
        cmocka_unit_test(test_a_turn_of_the_run_queue_takes_only_who_was_queued_before),
        cmocka_unit_test(test_sessions_wait_for_a_buffer_and_go_on_when_there_is_one),
        cmocka_unit_test(test_a_session_that_waits_for_a_buffer_may_end),
        cmocka_unit_test(test_waiting_for_a_buffer_one_way_does_not_stop_the_other_way),
        cmocka_unit_test(test_waiting_for_a_buffer_is_left_when_the_other_way_has_its_turn_to_come),
        cmocka_unit_test(test_bytes_behind_an_urgent_mark_arrive_without_an_edge),
        cmocka_unit_test(test_a_reset_behind_data_in_one_wakeup_is_found),
        cmocka_unit_test(test_more_conns_than_one_poll_takes_are_all_asked),
        cmocka_unit_test(test_a_session_may_end_while_the_tick_goes_over_its_conns),
        cmocka_unit_test(test_conns_are_looked_at_although_the_poll_fails),
        cmocka_unit_test(test_a_residue_leaves_its_pipe_after_100_ms),
        cmocka_unit_test(test_the_run_queue_and_the_tick_run_without_memory_for_a_timer),
        cmocka_unit_test(test_a_session_without_a_timer_ends_for_want_of_memory),
        cmocka_unit_test(test_releasing_empty_resources_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
