/* SPDX-License-Identifier: Apache-2.0 */
/* test_step_client_tls.c - handshakes with clients: done, refused, left, too slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "relay/fake_tls.h"
#include "relay/step.h"

static void open_world(struct relay_world *world)
{
    memset(world, 0, sizeof(*world));
    relay_world_configure(world, 1);
    world->listener.tls = fake_profile;
    relay_world_start(world);
}

static const struct handshake_counters *handshakes(const struct relay_world *world)
{
    return &world->resources.counters.listeners[0].handshakes;
}

static void test_the_handshake_comes_before_a_server_is_contacted(void **state)
{
    struct relay_world world;
    struct session_record record;
    int client, server;

    open_world(&world);
    client = relay_world_client(&world);
    relay_world_run_for(&world, 5);
    assert_int_equal(fake_tls.turns, 0); /* there is nothing to do before the client speaks */
    fake_tls_send(client, ".");
    RUN_UNTIL(&world, fake_tls.turns == 2); /* one step, and a look for more */
    relay_world_run_for(&world, 5);
    assert_int_equal(fake_tls.turns, 2);
    assert_int_equal(relay_world_last_session(&world)->phase, PHASE_HANDSHAKE);
    assert_int_equal(relay_world_last_session(&world)->conn[BACKEND].fd, -1);
    relay_world_run_for(&world, 50);
    fake_tls_send(client, "Fhello");
    server = relay_world_server(&world, 0);
    fake_tls_expect(&world, server, "hello");
    peer_close(&client);
    peer_close(&server);
    record = relay_world_last_record(&world);
    /* Connecting does not contain the 60 ms of the handshake. */
    assert_in_range(record.connect_us, 0, record.duration_us - 60000);
    assert_int_equal(record.reason, CLOSE_DONE);
    assert_string_equal(record.tls, "TLSv1.3");
    assert_string_equal(record.server_tls, "");
    assert_string_equal(record.sni, "asked.example.com");
    assert_string_equal(record.tls_error, "");
    assert_string_equal(path_text(&record), "tls");
    assert_int_equal(counter_get(&world.resources.counters.tls_bytes), 5);
    assert_int_equal(counter_get(&world.resources.counters.copied_bytes), 0);
    assert_int_equal(counter_get(&handshakes(&world)->done[SESSION_TLS_1_3]), 1);
    assert_int_equal(counter_get(&handshakes(&world)->resumed), 0);
    relay_world_close(&world);
}

static void test_versions_and_resumptions_are_counted(void **state)
{
    struct relay_world world;
    struct relay_line line;

    open_world(&world);
    fake_tls.version = "TLSv1.2";
    fake_tls.is_resumed = true;
    line.client = relay_world_client(&world);
    line.session = relay_world_last_session(&world);
    fake_tls_send(line.client, "F");
    line.server = relay_world_server(&world, 0);
    relay_world_part(&world, &line);
    assert_string_equal(relay_world_record(&world).tls, "TLSv1.2");
    assert_int_equal(counter_get(&handshakes(&world)->done[SESSION_TLS_1_2]), 1);
    assert_int_equal(counter_get(&handshakes(&world)->resumed), 1);
    relay_world_close(&world);
}

/* What a client does instead of completing its handshake. */
static void check_failure(const char *sent, bool leaves, bool resets, enum close_reason reason)
{
    struct relay_world world;
    struct session_record record;
    int client;

    fake_tls_mend(NULL);
    open_world(&world);
    client = relay_world_client(&world);
    fake_tls_send(client, sent);
    relay_world_run_for(&world, 3);
    if (resets)
        peer_reset(&client);
    else if (leaves)
        shutdown(client, SHUT_WR);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, reason);
    assert_int_equal(record.first, FIRST_CLIENT);
    assert_int_equal(record.phase, PHASE_HANDSHAKE);
    assert_string_equal(record.pool, "back");
    assert_string_equal(record.server, "");
    assert_string_equal(record.tls_error, reason == CLOSE_CLIENT_TLS ? "wrong byte" : "");
    assert_int_equal(counter_get(&handshakes(&world)->failed), 1);
    if (client != -1) /* a plain close: what OpenSSL told the client is not lost in a reset */
        assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_ENDED);
    peer_close(&client);
    relay_world_close(&world);
}

static void test_a_wrong_handshake_is_client_tls_and_a_broken_off_one_client_left(void **state)
{
    check_failure("X", false, false, CLOSE_CLIENT_TLS);
    check_failure("..X", false, false, CLOSE_CLIENT_TLS);
    check_failure("", true, false, CLOSE_CLIENT_LEFT);
    check_failure(".", true, false, CLOSE_CLIENT_LEFT);
    check_failure("", true, true, CLOSE_CLIENT_LEFT);
    check_failure(".", true, true, CLOSE_CLIENT_LEFT);
}

static void test_a_slow_handshake_runs_out_of_time_however_it_dribbles(void **state)
{
    struct relay_world world;
    struct session_record record;
    enum peer_end end = PEER_OPEN;
    int client;
    int sent = 0;

    open_world(&world);
    world.listener.handshake_timeout_ms = 60;
    client = relay_world_client(&world);
    for (; sent < 100 && !list_is_empty(&world.resources.sessions); sent++) {
        (void)!send(client, ".", 1, MSG_NOSIGNAL);
        relay_world_run_for(&world, 4);
    }
    assert_in_range(sent, 1, 99); /* it did not wait for the dribble to end */
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CLIENT_TIMEOUT);
    assert_int_equal(record.waited_for, FIRST_CLIENT);
    assert_true(record.duration_us >= 50000);
    assert_int_equal(counter_get(&handshakes(&world)->timed_out), 1);
    assert_int_equal(counter_get(&handshakes(&world)->failed), 0);
    peer_receive_some(client, 0, 1, &end);
    assert_int_equal(end, PEER_RESET);
    peer_close(&client);
    relay_world_close(&world);
}

static void test_without_memory_the_client_is_reset(void **state)
{
    struct relay_world world;
    int client;

    open_world(&world);
    fake_tls.has_no_memory = true;
    client = relay_world_client(&world);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_NO_RESOURCES);
    peer_close(&client);
    relay_world_close(&world);
}

/* `tls` of a route counts, not the listener's: another profile, or none at all. */
static void test_a_route_decides_for_itself(void **state)
{
    static char name[] = "raw";
    struct relay_world world;
    struct route route = {.name = name, .action = ROUTE_RELAY, .has_tls = true, .tls = NULL};
    struct prefix loopback = {.family = AF_INET, .bits = 8};
    const struct route *other;
    struct relay_line line;

    loopback.v4.s_addr = htonl(0x7f000000);
    open_world(&world);
    route.pool = &world.pool;
    assert_true(router_add(world.listener.router, &(struct route_match){.source = &loopback},
                           &route, &other));
    relay_world_join(&world, &line);
    assert_int_equal(fake_tls.turns, 0);
    relay_world_part(&world, &line);
    assert_string_equal(relay_world_record(&world).tls, "");
    relay_world_close(&world);
}

/* A flood of handshakes: each turn of the loop makes one step, the oldest first, and a session that
   relays has its turns in between. */
static void test_handshakes_take_turns_one_step_each(void **state)
{
    enum { CROWD = 40, STEPS = 3 };
    struct relay_world world;
    struct relay_line line;
    int clients[CROWD];
    unsigned turns;
    unsigned answered = 0;
    enum peer_end end = PEER_OPEN;

    open_world(&world);
    line.client = relay_world_client(&world);
    line.session = relay_world_last_session(&world);
    fake_tls_send(line.client, "F");
    line.server = relay_world_server(&world, 0);
    RUN_UNTIL(&world, line.session->state == SESSION_RELAY);
    for (int i = 0; i < CROWD; i++) {
        clients[i] = relay_world_client(&world);
        fake_tls_send(clients[i], "...");
    }
    turns = fake_tls.turns;
    peer_send(line.client, 0, 1);
    for (int i = 0; i < 4 * CROWD * STEPS && fake_tls.turns < turns + CROWD * STEPS; i++) {
        unsigned before = fake_tls.turns;

        event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        assert_in_range(fake_tls.turns - before, 0, 1);
        if (peer_receive_some(line.server, answered, 1, &end) == 1) {
            answered++;
            peer_send(line.client, answered, 1);
        }
    }
    assert_true(fake_tls.turns >= turns + CROWD * STEPS);
    assert_true(answered >= CROWD * STEPS / 2);
    for (int i = 0; i < CROWD; i++)
        peer_close(&clients[i]);
    relay_world_part(&world, &line);
    RUN_UNTIL(&world, list_is_empty(&world.resources.sessions));
    relay_world_close(&world);
}

static void test_a_session_that_waits_for_its_step_may_end(void **state)
{
    struct relay_world world;
    int client;

    open_world(&world);
    client = relay_world_client(&world);
    fake_tls_send(client, ".");
    RUN_UNTIL(&world, list_contains_link(&relay_world_last_session(&world)->queue));
    session_end(relay_world_last_session(&world), CLOSE_KILLED);
    relay_world_run_for(&world, 5);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_KILLED);
    peer_close(&client);
    relay_world_close(&world);
}

/* Behind a handshake a plain FIN would look like the end of a stream that was cut. */
static void test_a_tls_client_is_reset_when_no_server_can_be_had(void **state)
{
    struct relay_world world;
    int client;

    open_world(&world);
    world.listener.when_down = REFUSE_CLOSE;
    peer_close(&world.server_fds[0]);
    client = relay_world_client(&world);
    fake_tls_send(client, "F");
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_CONNECT_REFUSED);
    peer_close(&client);
    relay_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_handshake_comes_before_a_server_is_contacted,
                               fake_tls_mend),
        cmocka_unit_test_setup(test_versions_and_resumptions_are_counted, fake_tls_mend),
        cmocka_unit_test_setup(
            test_a_wrong_handshake_is_client_tls_and_a_broken_off_one_client_left, fake_tls_mend),
        cmocka_unit_test_setup(test_a_slow_handshake_runs_out_of_time_however_it_dribbles,
                               fake_tls_mend),
        cmocka_unit_test_setup(test_without_memory_the_client_is_reset, fake_tls_mend),
        cmocka_unit_test_setup(test_a_route_decides_for_itself, fake_tls_mend),
        cmocka_unit_test_setup(test_handshakes_take_turns_one_step_each, fake_tls_mend),
        cmocka_unit_test_setup(test_a_session_that_waits_for_its_step_may_end, fake_tls_mend),
        cmocka_unit_test_setup(test_a_tls_client_is_reset_when_no_server_can_be_had, fake_tls_mend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
