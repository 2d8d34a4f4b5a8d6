/* SPDX-License-Identifier: Apache-2.0 */
/* test_places.c - all places or none, and each given back once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/places.h"
#include "worker/worker_world.h"

static void test_all_places_or_none(void **state)
{
    struct worker_world world;
    struct worker *worker;
    struct listener_config *listener;

    (void)state;
    worker_world_configure(&world, BUILTIN_DISCARD);
    worker_world_start(&world, 2);
    worker = world.workers[0];
    listener = &world.relay.listener;
    listener->max_connections = 1;
    assert_true(places_reserve(worker, listener));
    assert_false(places_reserve(worker, listener));
    assert_int_equal(world.shared.sessions, 1);
    places_release(worker, listener, NULL);
    listener->max_connections = 0;
    world.shared.max_connections = 1;
    assert_true(places_reserve(worker, listener));
    assert_false(places_reserve(worker, listener));
    assert_int_equal(listener->sessions, 1); /* the failed one has left its place again */
    assert_int_equal(worker_sessions(worker), 1);
    places_move(worker, world.workers[1]);
    assert_int_equal(worker_sessions(worker), 0);
    assert_int_equal(worker_sessions(world.workers[1]), 1);
    places_release(world.workers[1], listener, NULL);
    assert_int_equal(world.shared.sessions, 0);
    assert_int_equal(listener->sessions, 0);
    worker_world_close(&world);
}

static void test_no_place_while_buffers_are_nearly_spent(void **state)
{
    struct worker_world world;
    size_t limit;

    (void)state;
    worker_world_configure(&world, BUILTIN_DISCARD);
    worker_world_start(&world, 1);
    limit = world.shared.buffers.limit_bytes;
    world.shared.buffers.used_bytes = limit / 10 * 9 + 1;
    assert_false(places_reserve(world.workers[0], &world.relay.listener));
    world.shared.buffers.used_bytes = 0;
    assert_int_equal(world.shared.sessions, 0);
    worker_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_places_or_none),
        cmocka_unit_test(test_no_place_while_buffers_are_nearly_spent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
