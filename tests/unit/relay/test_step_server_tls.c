/* SPDX-License-Identifier: Apache-2.0 */
/* test_step_server_tls.c - handshakes with servers: done, refused, too slow; the client leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "relay/fake_tls.h"
#include "relay/step.h"

static char tls_name[] = "db.example.com";

static void open_world(struct relay_world *world, unsigned server_count)
{
    memset(world, 0, sizeof(*world));
    relay_world_configure(world, server_count);
    world->pool.options.tls = fake_profile;
    world->pool.options.max_fails = 1;
    world->servers[0].tls_name = tls_name;
    relay_world_start(world);
}

static uint64_t connects(const struct relay_world *world, enum connect_result result)
{
    return counter_get(&world->servers[0].counters[0].connects[result]);
}

static const struct handshake_counters *handshakes(const struct relay_world *world)
{
    return &world->resources.counters.pools[0].handshakes;
}

static void test_a_server_counts_as_connected_once_it_speaks_tls(void **state)
{
    struct relay_world world;
    struct session_record record;
    int client, server;

    open_world(&world, 1);
    client = relay_world_client(&world);
    server = relay_world_server(&world, 0);
    fake_tls_expect(&world, server, "H"); /* nobody had to speak first */
    assert_string_equal(fake_tls.server_name, tls_name);
    assert_int_not_equal(fake_tls.session_key, 0);
    assert_int_equal(connects(&world, CONNECT_OK), 0);
    assert_int_equal(relay_world_last_session(&world)->phase, PHASE_CONNECT);
    relay_world_run_for(&world, 50);
    fake_tls_send(server, "Fwelcome");
    fake_tls_expect(&world, client, "welcome");
    assert_int_equal(connects(&world, CONNECT_OK), 1);
    peer_close(&client);
    peer_close(&server);
    record = relay_world_last_record(&world);
    assert_string_equal(record.tls, "");
    assert_string_equal(record.server_tls, "TLSv1.3");
    /* Neither of them contains the 50 ms of the handshake. */
    assert_in_range(record.connect_us, 0, record.duration_us - 50000);
    assert_in_range(record.first_byte_us, 0, record.duration_us - 50000);
    assert_int_equal(counter_get(&handshakes(&world)->done[SESSION_TLS_1_3]), 1);
    relay_world_close(&world);
}

static void check_failure(const char *sent, bool resets)
{
    struct relay_world world;
    struct session_record record;
    int client, server;

    fake_tls_mend(NULL);
    open_world(&world, 2);
    client = relay_world_client(&world);
    server = relay_world_server(&world, 0);
    fake_tls_expect(&world, server, "H");
    if (resets)
        peer_reset(&server);
    else if (sent != NULL)
        fake_tls_send(server, sent);
    else
        peer_close(&server);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_SERVER_TLS);
    assert_int_equal(record.first, FIRST_SERVER);
    assert_int_equal(record.phase, PHASE_CONNECT);
    assert_string_equal(record.server, "s0");
    assert_string_equal(record.tls_error, sent != NULL ? "wrong byte" : "");
    assert_int_equal(record.error, resets ? ECONNRESET : EPROTO);
    assert_int_equal(record.retries, 0); /* another server would hide what is wrong with this one */
    assert_int_equal(connects(&world, CONNECT_TLS), 1);
    assert_int_equal(connects(&world, CONNECT_OK), 0);
    assert_int_equal(world.servers[0].health, SERVER_EJECTED);
    assert_int_equal(counter_get(&handshakes(&world)->failed), 1);
    peer_close(&client);
    peer_close(&server);
    relay_world_close(&world);
}

static void test_a_failed_handshake_is_server_tls_and_counts_against_the_server(void **state)
{
    check_failure("X", false);
    check_failure(NULL, false);
    check_failure(NULL, true);
}

static void test_want_of_memory_is_not_held_against_the_server(void **state)
{
    struct relay_world world;
    struct session_record record;
    int client, server;

    open_world(&world, 2);
    client = relay_world_client(&world);
    server = relay_world_server(&world, 0);
    fake_tls_expect(&world, server, "H");
    fake_tls_send(server, "M");
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_NO_RESOURCES);
    assert_int_equal(connects(&world, CONNECT_TLS), 0);
    assert_int_equal(world.servers[0].failures, 0);
    assert_int_equal(world.servers[0].health, SERVER_UP);
    assert_int_equal(counter_get(&handshakes(&world)->failed), 1);
    peer_close(&client);
    peer_close(&server);
    relay_world_close(&world);
}

static void test_a_server_that_does_not_answer_runs_out_of_time(void **state)
{
    struct relay_world world;
    struct session_record record;
    int client, server;

    open_world(&world, 1);
    world.listener.handshake_timeout_ms = 60;
    client = relay_world_client(&world);
    server = relay_world_server(&world, 0);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_SERVER_TLS);
    assert_int_equal(record.waited_for, FIRST_SERVER);
    assert_int_equal(record.error, ETIMEDOUT);
    assert_true(strlen(record.tls_error) > 0);
    assert_int_equal(counter_get(&handshakes(&world)->timed_out), 1);
    assert_int_equal(connects(&world, CONNECT_TLS), 1);
    peer_close(&client);
    peer_close(&server);
    relay_world_close(&world);
}

static void test_a_client_that_resets_meanwhile_is_not_held_against_the_server(void **state)
{
    struct relay_world world;
    struct session_record record;
    enum peer_end end = PEER_OPEN;
    int client, server;

    open_world(&world, 1);
    client = relay_world_client(&world);
    server = relay_world_server(&world, 0);
    fake_tls_expect(&world, server, "H");
    peer_reset(&client);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CLIENT_LEFT);
    assert_int_equal(record.error, ECONNRESET);
    assert_int_equal(world.servers[0].health, SERVER_UP);
    assert_int_equal(world.servers[0].failures, 0);
    assert_int_equal(connects(&world, CONNECT_TLS), 0);
    RUN_UNTIL(&world, (peer_receive_some(server, 0, 1, &end), end) != PEER_OPEN);
    assert_int_equal(end, PEER_RESET);
    peer_close(&server);
    relay_world_close(&world);
}

/* An ejected server's trial is given back when the session ends before the handshake is done. */
static void test_a_trial_that_is_cut_short_is_given_back(void **state)
{
    struct relay_world world;
    int client, server;

    open_world(&world, 1);
    world.servers[0].health = SERVER_EJECTED;
    world.pool.out_count = 1;
    client = relay_world_client(&world);
    server = relay_world_server(&world, 0);
    fake_tls_expect(&world, server, "H");
    session_end(relay_world_last_session(&world), CLOSE_KILLED);
    assert_int_equal(world.servers[0].health, SERVER_EJECTED);
    peer_close(&client);
    peer_close(&server);
    relay_world_close(&world);
}

static void test_without_memory_the_session_ends(void **state)
{
    struct relay_world world;
    int client;

    open_world(&world, 1);
    fake_tls.has_no_memory = true;
    client = relay_world_client(&world);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_NO_RESOURCES);
    assert_int_equal(world.servers[0].failures, 0);
    peer_close(&client);
    relay_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_server_counts_as_connected_once_it_speaks_tls, fake_tls_mend),
        cmocka_unit_test_setup(test_a_failed_handshake_is_server_tls_and_counts_against_the_server,
                               fake_tls_mend),
        cmocka_unit_test_setup(test_want_of_memory_is_not_held_against_the_server, fake_tls_mend),
        cmocka_unit_test_setup(test_a_server_that_does_not_answer_runs_out_of_time, fake_tls_mend),
        cmocka_unit_test_setup(test_a_client_that_resets_meanwhile_is_not_held_against_the_server,
                               fake_tls_mend),
        cmocka_unit_test_setup(test_a_trial_that_is_cut_short_is_given_back, fake_tls_mend),
        cmocka_unit_test_setup(test_without_memory_the_session_ends, fake_tls_mend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
