/* SPDX-License-Identifier: Apache-2.0 */
/* test_handshake.c - what both handshakes share: turns, the clock, what is kept of a fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "relay/fake_tls.h"
#include "relay/handshake.h"

/* A client that has connected; its session waits for the first byte of the handshake. */
static struct session *open_handshake(struct relay_world *world, int *client)
{
    memset(world, 0, sizeof(*world));
    relay_world_configure(world, 1);
    world->listener.tls = fake_profile;
    relay_world_start(world);
    *client = relay_world_client(world);
    RUN_UNTIL(world, relay_world_last_session(world)->state == SESSION_CLIENT_TLS);
    return relay_world_last_session(world);
}

static void close_handshake(struct relay_world *world, int *client)
{
    peer_close(client);
    RUN_UNTIL(world, list_is_empty(&world->resources.sessions));
    relay_world_close(world);
}

static void test_a_session_queues_once_and_only_with_a_step_to_do(void **state)
{
    struct relay_world world;
    int client;
    struct session *session = open_handshake(&world, &client);
    struct list *queue = &world.resources.handshakes;

    session->conn[FRONTEND].ready_in = false;
    session->conn[FRONTEND].ready_out = true;
    assert_int_equal(handshake_wait(session, FRONTEND), STEP_WAIT);
    assert_true(list_is_empty(queue));
    session->wants_write = true; /* then room counts, not input */
    assert_int_equal(handshake_wait(session, FRONTEND), STEP_WAIT);
    assert_int_equal(handshake_wait(session, FRONTEND), STEP_WAIT);
    assert_ptr_equal(list_take_first(queue), &session->queue);
    assert_true(list_is_empty(queue));
    session->wants_write = false;
    close_handshake(&world, &client);
}

static void test_the_clock_is_absolute_and_may_be_off(void **state)
{
    struct relay_world world;
    int client;
    struct session *session = open_handshake(&world, &client);

    world.listener.handshake_timeout_ms = 1000;
    handshake_start_clock(session);
    assert_false(handshake_is_overdue(session));
    assert_in_range(session->armed_ms, 1, session->state_ms + 1000);
    session->state_ms -= 1001;
    assert_true(handshake_is_overdue(session));
    world.listener.handshake_timeout_ms = 0;
    assert_false(handshake_is_overdue(session));
    close_handshake(&world, &client);
}

static void test_the_first_fault_is_the_one_that_is_kept(void **state)
{
    struct relay_world world;
    int client;
    struct session *session = open_handshake(&world, &client);

    session_keep_tls_error(session, FRONTEND);
    assert_null(session->words); /* there is no fault yet */
    session_keep_tls_error(session, BACKEND);
    assert_null(session->words); /* nor any TLS on that side */
    fake_tls.fault = TLS_FAULT_PROTOCOL;
    session_keep_tls_error(session, FRONTEND);
    assert_string_equal(session->words->tls_error, "wrong byte");
    fake_tls.fault = TLS_FAULT_TRUNCATED;
    session_keep_tls_error(session, FRONTEND);
    assert_string_equal(session->words->tls_error, "wrong byte");
    close_handshake(&world, &client);
}

static void test_the_reason_is_the_faults_else_the_errnos(void **state)
{
    struct relay_world world;
    int client;
    struct session *session = open_handshake(&world, &client);

    session->conn[FRONTEND].error = ECONNRESET;
    session->conn[BACKEND].error = ETIMEDOUT;
    assert_int_equal(session_break_reason(session, FRONTEND), CLOSE_CLIENT_RESET);
    fake_tls.fault = TLS_FAULT_PROTOCOL;
    assert_int_equal(session_break_reason(session, FRONTEND), CLOSE_CLIENT_TLS);
    fake_tls.fault = TLS_FAULT_IDENTITY;
    assert_int_equal(session_break_reason(session, FRONTEND), CLOSE_CLIENT_TLS);
    fake_tls.fault = TLS_FAULT_TRUNCATED;
    assert_int_equal(session_break_reason(session, FRONTEND), CLOSE_TLS_TRUNCATED);
    fake_tls.fault = TLS_FAULT_MEMORY; /* neither side's */
    assert_int_equal(session_break_reason(session, FRONTEND), CLOSE_NO_RESOURCES);
    fake_tls.fault = TLS_FAULT_TRUNCATED;
    /* The other side speaks no TLS: the fault is not its own. */
    assert_int_equal(session_break_reason(session, BACKEND), CLOSE_SERVER_DEAD);
    session->conn[BACKEND].method = session->conn[FRONTEND].method;
    fake_tls.fault = TLS_FAULT_PROTOCOL;
    assert_int_equal(session_break_reason(session, BACKEND), CLOSE_SERVER_TLS);
    session->conn[BACKEND].method = NULL;
    session->conn[FRONTEND].error = 0;
    close_handshake(&world, &client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_session_queues_once_and_only_with_a_step_to_do,
                               fake_tls_mend),
        cmocka_unit_test_setup(test_the_clock_is_absolute_and_may_be_off, fake_tls_mend),
        cmocka_unit_test_setup(test_the_first_fault_is_the_one_that_is_kept, fake_tls_mend),
        cmocka_unit_test_setup(test_the_reason_is_the_faults_else_the_errnos, fake_tls_mend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
