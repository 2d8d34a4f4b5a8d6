/* SPDX-License-Identifier: Apache-2.0 */
/* test_pace.c - a flow with a rate takes its time, by copying and by splicing, and loses nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "relay/pace.h"
#include "relay/relay_world.h"

#define KIB 1024

static bool calloc_fails;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    return calloc_fails ? NULL : __real_calloc(count, size);
}

static void open_paced(struct relay_world *world, struct relay_line *line, bool splice)
{
    relay_world_open(world, 1);
    world->listener.splice = splice;
    world->listener.upload_rate = (struct rate){.per_s = 1024 * KIB, .burst = 64 * KIB};
    relay_world_join(world, line);
}

/* Sends a quarter of what a second lets through; how long it took, in microseconds. */
static int64_t move(struct relay_world *world, int from, int to, size_t size)
{
    int64_t began_us = clock_now_us();
    size_t sent = 0;
    size_t received = 0;
    enum peer_end end = PEER_OPEN;

    RUN_UNTIL(world, (sent += peer_send_some(from, sent, size - sent),
                      received += peer_receive_some(to, received, size - received, &end)) == size);
    return clock_now_us() - began_us;
}

static void check_pace(bool splice)
{
    struct relay_world world;
    struct relay_line line;
    size_t size = 320 * KIB;

    open_paced(&world, &line, splice);
    assert_true(line.session->flow[UPLOAD].is_paced);
    assert_false(line.session->flow[DOWNLOAD].is_paced);
    /* 64 KiB at once and 256 KiB in a quarter of a second. */
    assert_true(move(&world, line.client, line.server, size) > 240 * 1000);
    if (splice)
        assert_true(line.session->flow[UPLOAD].spliced > 0);
    else
        assert_int_equal(line.session->flow[UPLOAD].spliced, 0);
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_copying_keeps_to_the_rate(void **state)
{
    (void)state;
    check_pace(false);
}

static void test_splicing_keeps_to_the_rate(void **state)
{
    (void)state;
    check_pace(true);
}

static void test_the_end_comes_behind_the_bytes(void **state)
{
    struct relay_world world;
    struct relay_line line;
    size_t received = 0;

    (void)state;
    open_paced(&world, &line, true);
    relay_world_send(&world, line.client, 0, 100 * KIB);
    shutdown(line.client, SHUT_WR);
    assert_int_equal(relay_world_end(&world, line.server, 0, &received), PEER_ENDED);
    assert_int_equal(received, 100 * KIB);
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_being_held_back_is_not_idle(void **state)
{
    struct relay_world world;
    struct relay_line line;
    int64_t before_ms;

    (void)state;
    open_paced(&world, &line, false);
    line.session->flow[UPLOAD].read_ms = 1;
    before_ms = clock_now_ms();
    RUN_UNTIL(&world,
              (peer_send_some(line.client, 0, 64 * KIB),
               line.session->armed_ms != 0 && line.session->armed_ms < clock_now_ms() + 100));
    assert_true(line.session->flow[UPLOAD].read_ms >= before_ms);
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

/* At the rate this would take 40 seconds, for a client that is not there any more. */
static void test_what_a_reset_client_sent_goes_without_the_rate(void **state)
{
    struct relay_world world;
    struct relay_line line;
    struct session_record record;
    size_t received = 0;

    (void)state;
    for (int splice = 0; splice < 2; splice++) {
        relay_world_open(&world, 1);
        world.listener.splice = splice == 1;
        world.listener.upload_rate = (struct rate){.per_s = KIB, .burst = 100};
        relay_world_join(&world, &line);
        peer_send(line.client, 0, 40 * KIB);
        peer_wait_acknowledged(line.client);
        RUN_UNTIL(&world, line.session->flow[UPLOAD].delivered > 0);
        assert_true(line.session->flow[UPLOAD].delivered < 20 * KIB);
        peer_reset(&line.client);
        assert_int_equal(relay_world_end(&world, line.server, 0, &received), PEER_RESET);
        assert_int_equal(received, 40 * KIB);
        record = relay_world_record(&world);
        assert_int_equal(record.reason, CLOSE_CLIENT_RESET);
        assert_int_equal(record.undelivered_bytes, 0);
        peer_close(&line.server);
        relay_world_close(&world);
    }
}

static void test_without_memory_the_session_ends(void **state)
{
    struct relay_world world;
    struct relay_line line;

    (void)state;
    open_paced(&world, &line, false);
    free(line.session->words);
    line.session->words = NULL;
    calloc_fails = true;
    peer_send(line.client, 0, 100);
    RUN_UNTIL(&world, !relay_world_has(&world, line.session));
    calloc_fails = false;
    assert_int_equal(relay_world_record(&world).reason, CLOSE_NO_RESOURCES);
    peer_close(&line.client);
    peer_close(&line.server);
    relay_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copying_keeps_to_the_rate),
        cmocka_unit_test(test_splicing_keeps_to_the_rate),
        cmocka_unit_test(test_the_end_comes_behind_the_bytes),
        cmocka_unit_test(test_being_held_back_is_not_idle),
        cmocka_unit_test(test_what_a_reset_client_sent_goes_without_the_rate),
        cmocka_unit_test(test_without_memory_the_session_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
