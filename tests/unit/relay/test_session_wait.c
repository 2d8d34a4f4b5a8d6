/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_session_wait.c - sessions in the queue of a pool whose only server has one place.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "relay/relay_world.h"
#include "relay/session_wait.h"
#include "relay/step.h"

static int callocs_left = -1; /* -1: all go through */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    if (callocs_left == 0)
        return NULL;
    if (callocs_left > 0)
        callocs_left--;
    return __real_calloc(count, size);
}

static struct relay_resources *woken;

static void note_wake(struct pool_caller *caller)
{
    woken = CONTAINER_OF(caller, struct relay_resources, caller);
}

static void open_world(struct relay_world *world, unsigned servers)
{
    memset(world, 0, sizeof(*world));
    relay_world_configure(world, servers);
    world->pool.options.queue_size = 2;
    for (unsigned i = 0; i < servers; i++)
        world->servers[i].max_connections = 1;
    assert_true(pool_queue_init(&world->pool.queue));
    relay_world_start(world);
    world->resources.caller.wake = note_wake;
    woken = NULL;
}

static void close_world(struct relay_world *world)
{
    assert_int_equal(pool_queue_length(&world->pool), 0);
    relay_world_close(world);
    pool_queue_release(&world->pool.queue);
}

/* What the worker does after a wake. */
static void answer(struct relay_world *world)
{
    if (woken == NULL)
        return;
    woken = NULL;
    relay_answer_calls(&world->resources);
}

static void test_the_place_goes_to_who_waits(void **state)
{
    struct relay_world world;
    struct relay_line line;
    struct session *session;
    int client, server;

    (void)state;
    open_world(&world, 1);
    relay_world_join(&world, &line);
    client = relay_world_client(&world);
    session = relay_world_last_session(&world);
    assert_true(session_is_waiting(session));
    assert_int_equal(session->phase, PHASE_QUEUE);
    assert_int_equal(counter_get(&world.resources.counters.listeners[0].sessions[PHASE_QUEUE]), 1);
    peer_send(client, 0, 100);
    relay_world_part(&world, &line);
    (void)relay_world_record(&world);
    assert_non_null(woken);
    answer(&world);
    assert_false(session_is_waiting(session));
    server = relay_world_server(&world, 0);
    relay_world_receive(&world, server, 0, 100);
    assert_true(session_wait_us(session) > 0);
    peer_close(&client);
    assert_int_equal(relay_world_end(&world, server, 100, NULL), PEER_ENDED);
    peer_close(&server);
    assert_true(relay_world_last_record(&world).queue_us > 0);
    close_world(&world);
}

static void test_a_full_queue_refuses(void **state)
{
    struct relay_world world;
    struct relay_line line;
    int clients[3];

    (void)state;
    open_world(&world, 1);
    relay_world_join(&world, &line);
    for (int i = 0; i < 3; i++)
        clients[i] = relay_world_client(&world);
    assert_int_equal(relay_world_end(&world, clients[2], 0, NULL), PEER_RESET);
    assert_int_equal(relay_world_record(&world).reason, CLOSE_QUEUE_FULL);
    assert_int_equal(pool_queue_length(&world.pool), 2);
    for (int i = 0; i < 2; i++)
        session_end(relay_world_last_session(&world), CLOSE_KILLED);
    for (int i = 0; i < 3; i++)
        peer_close(&clients[i]);
    relay_world_part(&world, &line);
    close_world(&world);
}

static void test_queue_timeout_ends_the_wait(void **state)
{
    struct relay_world world;
    struct relay_line line;
    struct session_record record;
    int client;

    (void)state;
    open_world(&world, 1);
    world.pool.options.queue_timeout_ms = 30;
    relay_world_join(&world, &line);
    client = relay_world_client(&world);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    record = relay_world_record(&world);
    assert_int_equal(record.reason, CLOSE_QUEUE_TIMEOUT);
    assert_int_equal(record.phase, PHASE_QUEUE);
    assert_int_equal(record.first, FIRST_CULVERT);
    assert_true(record.queue_us >= 25000);
    peer_close(&client);
    relay_world_part(&world, &line);
    close_world(&world);
}

static void test_a_client_that_resets_leaves_the_queue(void **state)
{
    struct relay_world world;
    struct relay_line line;
    int client;

    (void)state;
    open_world(&world, 1);
    relay_world_join(&world, &line);
    client = relay_world_client(&world);
    peer_reset(&client);
    RUN_UNTIL(&world, pool_queue_length(&world.pool) == 0);
    assert_int_equal(relay_world_record(&world).reason, CLOSE_CLIENT_LEFT);
    relay_world_part(&world, &line);
    close_world(&world);
}

/* What an earlier attempt met is not how the session has ended. */
static void test_an_end_while_waiting_has_no_errno_of_an_attempt(void **state)
{
    struct relay_world world;
    struct session_record record;
    int clients[2], server;

    (void)state;
    open_world(&world, 2);
    peer_close(&world.server_fds[0]); /* it refuses */
    clients[0] = relay_world_client(&world);
    server = relay_world_server(&world, 1);
    clients[1] = relay_world_client(&world);
    RUN_UNTIL(&world, pool_queue_length(&world.pool) == 1);
    session_end(relay_world_last_session(&world), CLOSE_KILLED);
    record = relay_world_record(&world);
    assert_int_equal(record.reason, CLOSE_KILLED);
    assert_string_equal(record.server, "s0");
    assert_int_equal(record.error, 0);
    peer_close(&clients[0]);
    peer_close(&server);
    peer_close(&clients[1]);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_DONE);
    close_world(&world);
}

static void test_without_memory_nobody_waits(void **state)
{
    struct relay_world world;
    struct relay_line line;
    int pair[2];

    (void)state;
    open_world(&world, 1);
    relay_world_join(&world, &line);
    tcp_pair(pair);
    callocs_left = 1; /* for the session itself */
    relay_world_session(&world, pair);
    callocs_left = -1;
    assert_int_equal(relay_world_end(&world, pair[0], 0, NULL), PEER_RESET);
    assert_int_equal(relay_world_record(&world).reason, CLOSE_NO_RESOURCES);
    peer_close(&pair[0]);
    relay_world_part(&world, &line);
    close_world(&world);
}

static void test_a_paused_pool_forgives_what_was_tried(void **state)
{
    struct relay_world world;
    struct session *session;
    int client, server;

    (void)state;
    open_world(&world, 1);
    pool_pause(&world.pool);
    client = relay_world_client(&world);
    session = relay_world_last_session(&world);
    assert_true(session_is_waiting(session));
    assert_int_equal(world.servers[0].active, 0);
    assert_int_equal(session_wait_forgiven(session), 0);
    session->tried_count = 1; /* as if its first connect had failed before */
    world.servers[0].users = 1;
    assert_int_equal(session_wait_begin(session), SESSION_WAITS);
    assert_int_equal(session_wait_forgiven(session), 1);
    pool_resume(&world.pool);
    answer(&world);
    server = relay_world_server(&world, 0);
    assert_false(session_is_waiting(session));
    peer_close(&client);
    assert_int_equal(relay_world_end(&world, server, 0, NULL), PEER_ENDED);
    peer_close(&server);
    (void)relay_world_last_record(&world);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_place_goes_to_who_waits),
        cmocka_unit_test(test_a_full_queue_refuses),
        cmocka_unit_test(test_queue_timeout_ends_the_wait),
        cmocka_unit_test(test_a_client_that_resets_leaves_the_queue),
        cmocka_unit_test(test_an_end_while_waiting_has_no_errno_of_an_attempt),
        cmocka_unit_test(test_without_memory_nobody_waits),
        cmocka_unit_test(test_a_paused_pool_forgives_what_was_tried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
