/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_preread.c - looking at what a client sends first: what is looked at stays where it is. The
 * steps that look have tests of their own, with its deadline.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "relay/preread.h"
#include "relay/relay_world.h"

/* A session that looks at its client's first bytes. */
static int open_world(struct relay_world *world, struct session **session)
{
    int client;

    memset(world, 0, sizeof(*world));
    relay_world_configure(world, 1);
    world->listener.accept_proxy = ACCEPT_PROXY_REQUIRED;
    relay_world_start(world);
    client = relay_world_client(world);
    *session = relay_world_last_session(world);
    assert_int_equal((*session)->state, SESSION_PROXY_HEADER);
    return client;
}

static void close_world(struct relay_world *world, int client)
{
    peer_close(&client);
    RUN_UNTIL(world, list_is_empty(&world->resources.sessions));
    relay_world_close(world);
}

static void test_a_look_consumes_nothing(void **state)
{
    struct relay_world world;
    struct session *session;
    int client = open_world(&world, &session);
    size_t count = 0;

    assert_int_equal(preread_look(session, 4, &count), STEP_WAIT);
    assert_int_equal(send(client, "PROXY", 5, MSG_NOSIGNAL), 5);
    RUN_UNTIL(&world, preread_look(session, 4, &count) == STEP_NEXT && count == 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(preread_look(session, 64, &count), STEP_NEXT);
        assert_int_equal(count, 5);
        assert_memory_equal(world.resources.scratch, "PROXY", 5);
    }
    assert_int_equal(preread_wait(session), STEP_WAIT);
    close_world(&world, client);
}

static void test_bytes_do_not_hide_a_reset(void **state)
{
    struct relay_world world;
    struct session *session;
    int client = open_world(&world, &session);

    assert_int_equal(send(client, "PROXY", 5, MSG_NOSIGNAL), 5);
    relay_world_run_for(&world, 2);
    peer_reset(&client);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_CLIENT_LEFT);
    relay_world_close(&world);
}

static void test_an_end_is_a_client_that_left(void **state)
{
    struct relay_world world;
    struct session *session;
    struct session_record record;
    int client = open_world(&world, &session);

    assert_int_equal(send(client, "PROXY", 5, MSG_NOSIGNAL), 5);
    peer_close(&client);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CLIENT_LEFT);
    assert_int_equal(record.phase, PHASE_PREREAD);
    relay_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_look_consumes_nothing),
        cmocka_unit_test(test_bytes_do_not_hide_a_reset),
        cmocka_unit_test(test_an_end_is_a_client_that_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
