/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_step_announce.c - asking a PostgreSQL server for TLS, and its answers. Relaying undecrypted
 * with an SSLRequest of the client's is in test_step_client_hello.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/postgres.h"
#include "relay/fake_tls.h"
#include "relay/step.h"

/* A listener that terminates PostgreSQL's TLS; the server is spoken to in TLS if `tls` says so. */
static void open_world(struct relay_world *world, struct tls_profile *tls)
{
    memset(world, 0, sizeof(*world));
    relay_world_configure(world, 2);
    world->listener.tls = fake_profile;
    world->listener.starttls = STARTTLS_POSTGRES;
    world->pool.options.tls = tls;
    world->pool.options.max_fails = 1;
    relay_world_start(world);
}

static int start_client(struct relay_world *world)
{
    int client = relay_world_client(world);

    assert_int_equal(send(client, postgres_ssl_request, POSTGRES_REQUEST_BYTES, MSG_NOSIGNAL), 8);
    fake_tls_expect(world, client, "S");
    fake_tls_send(client, "F");
    return client;
}

static void expect_request(struct relay_world *world, int server)
{
    unsigned char request[16];

    RUN_UNTIL(world, recv(server, request, sizeof(request), MSG_PEEK) >= 8);
    assert_int_equal(recv(server, request, sizeof(request), 0), 8); /* and nothing behind it */
    assert_memory_equal(request, postgres_ssl_request, 8);
}

/* A client and the server that was sent an SSLRequest for it. */
static int ask_server(struct relay_world *world, int *client)
{
    int server;

    *client = start_client(world);
    server = relay_world_server(world, 0);
    expect_request(world, server);
    return server;
}

static void test_a_server_in_clear_text_is_asked_nothing(void **state)
{
    struct relay_world world;
    int client, server;

    open_world(&world, NULL);
    client = start_client(&world);
    server = relay_world_server(&world, 0);
    fake_tls_send(client, "start");
    fake_tls_expect(&world, server, "start");
    peer_close(&client);
    peer_close(&server);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_DONE);
    relay_world_close(&world);
}

static void test_a_yes_is_followed_by_the_handshake(void **state)
{
    struct relay_world world;
    int client, server;

    open_world(&world, fake_profile);
    server = ask_server(&world, &client);
    fake_tls_send(server, "S");
    fake_tls_expect(&world, server, "H");
    fake_tls_send(server, "Fready");
    fake_tls_expect(&world, client, "ready");
    assert_int_equal(counter_get(&world.servers[0].counters[0].connects[CONNECT_OK]), 1);
    peer_close(&client);
    peer_close(&server);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_DONE);
    relay_world_close(&world);
}

/* What the server answers instead; NULL: it closes, "": it is silent. */
static void check_failure(const char *answer, bool resets, const char *expected)
{
    struct relay_world world;
    struct session_record record;
    int client, server;

    fake_tls_mend(NULL);
    open_world(&world, fake_profile);
    world.listener.handshake_timeout_ms = 80;
    server = ask_server(&world, &client);
    if (resets)
        peer_reset(&server);
    else if (answer == NULL)
        peer_close(&server);
    else
        fake_tls_send(server, answer);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_SERVER_TLS);
    assert_int_equal(record.first, FIRST_SERVER);
    assert_string_equal(record.tls_error, expected);
    assert_int_equal(record.retries, 0);
    assert_int_equal(counter_get(&world.servers[0].counters[0].connects[CONNECT_TLS]), 1);
    assert_int_equal(world.servers[0].health, SERVER_EJECTED);
    peer_close(&client);
    peer_close(&server);
    relay_world_close(&world);
}

static void test_anything_but_a_yes_is_server_tls(void **state)
{
    check_failure("N", false, "the server answered the SSLRequest: no TLS");
    check_failure("E", false, "the server did not understand the SSLRequest");
    check_failure(NULL, false, "the server closed instead of answering the SSLRequest");
    check_failure(NULL, true, "");
    check_failure("", false, "no answer to the SSLRequest within handshake_timeout");
}

/* Bytes behind the answer were not sent in TLS: the handshake gets them, not the client. */
static void test_not_one_byte_is_read_beyond_the_answer(void **state)
{
    struct relay_world world;
    int client, server;

    open_world(&world, fake_profile);
    server = ask_server(&world, &client);
    fake_tls_send(server, "SX");
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    assert_string_equal(relay_world_last_record(&world).tls_error, "wrong byte");
    peer_close(&client);
    peer_close(&server);
    relay_world_close(&world);
}

static void test_the_client_may_leave_before_the_answer(void **state)
{
    struct relay_world world;
    int client, server;

    open_world(&world, fake_profile);
    server = ask_server(&world, &client);
    peer_reset(&client);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_CLIENT_LEFT);
    assert_int_equal(world.servers[0].failures, 0);
    peer_close(&server);
    relay_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_server_in_clear_text_is_asked_nothing, fake_tls_mend),
        cmocka_unit_test_setup(test_a_yes_is_followed_by_the_handshake, fake_tls_mend),
        cmocka_unit_test_setup(test_anything_but_a_yes_is_server_tls, fake_tls_mend),
        cmocka_unit_test_setup(test_not_one_byte_is_read_beyond_the_answer, fake_tls_mend),
        cmocka_unit_test_setup(test_the_client_may_leave_before_the_answer, fake_tls_mend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
