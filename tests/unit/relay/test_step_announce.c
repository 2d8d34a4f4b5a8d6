/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_step_announce.c - what a server is told first: PROXY headers, and asking a PostgreSQL server
 * for TLS. Relaying undecrypted with an SSLRequest of the client's is in test_step_client_hello.c.
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

/* ---- PROXY headers */

#define TOLD "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"

/* The header of version 2 with the client's and the socket's address, before anything else. */
static void expect_header(struct relay_world *world, int server)
{
    unsigned char bytes[28];

    RUN_UNTIL(world, recv(server, bytes, sizeof(bytes), MSG_PEEK) == sizeof(bytes));
    assert_int_equal(recv(server, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_memory_equal(bytes, TOLD "\x7f\0\0\1\x7f\0\0\1\0\1", 26);
}

static void test_a_header_comes_first_of_all(void **state)
{
    struct relay_world world;
    int client, server;

    open_world(&world, fake_profile);
    world.pool.options.send_proxy = SEND_PROXY_V2;
    client = start_client(&world);
    server = relay_world_server(&world, 0);
    expect_header(&world, server);
    expect_request(&world, server);
    fake_tls_send(server, "S");
    fake_tls_expect(&world, server, "H");
    fake_tls_send(server, "Fready");
    fake_tls_expect(&world, client, "ready");
    peer_close(&client);
    peer_close(&server);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_DONE);
    relay_world_close(&world);
}

/* Whatever the client has sent follows the header, and the server may speak at once. */
static void test_a_header_before_a_plain_relay(void **state)
{
    struct relay_world world;
    int client, server;

    memset(&world, 0, sizeof(world));
    relay_world_configure(&world, 1);
    world.pool.options.send_proxy = SEND_PROXY_V2;
    relay_world_start(&world);
    client = relay_world_client(&world);
    fake_tls_send(client, "start");
    server = relay_world_server(&world, 0);
    expect_header(&world, server);
    fake_tls_expect(&world, server, "start");
    fake_tls_send(server, "answer");
    fake_tls_expect(&world, client, "answer");
    peer_close(&client);
    peer_close(&server);
    assert_int_equal(relay_world_last_record(&world).upload_bytes, 5);
    relay_world_close(&world);
}

static void test_the_next_server_gets_a_header_of_its_own(void **state)
{
    struct relay_world world;
    int client, server;

    memset(&world, 0, sizeof(world));
    relay_world_configure(&world, 2);
    world.pool.options.send_proxy = SEND_PROXY_V2;
    relay_world_start(&world);
    peer_close(&world.server_fds[0]);
    client = relay_world_client(&world);
    server = relay_world_server(&world, 1);
    expect_header(&world, server);
    peer_close(&client);
    peer_close(&server);
    assert_int_equal(relay_world_last_record(&world).retries, 1);
    relay_world_close(&world);
}

/* How many bytes of a header the socket takes at each try; then: all. -1: it is broken. */
static int takes[8];
static unsigned tries;
static unsigned char taken[64];
static size_t taken_size;

static enum io_result take_some(struct conn *conn, const void *bytes, size_t size, size_t *moved)
{
    int most = tries < ARRAY_LENGTH(takes) ? takes[tries] : 0;

    tries++;
    if (most == -1) {
        conn_fail(conn, ENOBUFS);
        return IO_FAILED;
    }
    if (most == 0)
        return IO_BLOCKED;
    *moved = size < (size_t)most ? size : (size_t)most;
    memcpy(taken + taken_size, bytes, *moved);
    taken_size += *moved;
    return IO_MOVED;
}

static const struct conn_ops slow_ops = {.write = take_some};
static struct conn_method slow_method = {.ops = &slow_ops};

/* A session in ANNOUNCE whose server's socket is slow. */
static struct session *slow_session(struct relay_world *world, int *client, int *server)
{
    struct session *session;

    memset(world, 0, sizeof(*world));
    relay_world_configure(world, 1);
    world->pool.options.max_fails = 1;
    world->listener.handshake_timeout_ms = 60;
    relay_world_start(world);
    *client = relay_world_client(world);
    *server = relay_world_server(world, 0);
    session = relay_world_last_session(world);
    RUN_UNTIL(world, session->state == SESSION_RELAY);
    /* One step back. */
    world->pool.options.send_proxy = SEND_PROXY_V2;
    session->state = SESSION_ANNOUNCE;
    session->owes_answer = true;
    session->conn[BACKEND].method = &slow_method;
    tries = 0;
    taken_size = 0;
    memset(takes, 0, sizeof(takes));
    return session;
}

static void test_a_header_is_sent_in_pieces(void **state)
{
    struct relay_world world;
    struct session *session;
    int client, server;

    session = slow_session(&world, &client, &server);
    takes[0] = 5;
    takes[2] = 1;
    takes[3] = 21;
    takes[5] = 9;
    assert_int_equal(step_announce_run(session), STEP_WAIT);
    assert_int_equal(session_announced(session), 5);
    assert_int_equal(step_announce_run(session), STEP_WAIT);
    assert_int_equal(session_announced(session), 27);
    assert_int_equal(step_announce_run(session), STEP_NEXT);
    assert_int_equal(taken_size, 28);
    assert_memory_equal(taken, TOLD "\x7f\0\0\1\x7f\0\0\1\0\1", 26);
    assert_true(session->has_told_proxy);
    session->conn[BACKEND].method = NULL;
    session->state = SESSION_RELAY;
    peer_close(&client);
    peer_close(&server);
    RUN_UNTIL(&world, list_is_empty(&world.resources.sessions));
    relay_world_close(&world);
}

static void test_a_header_that_is_not_taken_in_time(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct session *session;
    int client, server;

    session = slow_session(&world, &client, &server);
    takes[0] = 5;
    assert_int_equal(step_announce_run(session), STEP_WAIT);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CONNECT_TIMEOUT);
    assert_int_equal(record.waited_for, FIRST_SERVER);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    peer_close(&client);
    peer_close(&server);
    relay_world_close(&world);
}

/* Nothing of the client's follows half a header. */
static void test_a_broken_header_ends_the_session(void **state)
{
    struct relay_world world;
    struct session *session;
    int client, server;

    session = slow_session(&world, &client, &server);
    takes[0] = 5;
    takes[1] = -1;
    session_run(session);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_NO_RESOURCES);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    assert_int_equal(world.servers[0].health, SERVER_UP);
    peer_close(&client);
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
        cmocka_unit_test_setup(test_a_header_comes_first_of_all, fake_tls_mend),
        cmocka_unit_test_setup(test_a_header_before_a_plain_relay, fake_tls_mend),
        cmocka_unit_test_setup(test_the_next_server_gets_a_header_of_its_own, fake_tls_mend),
        cmocka_unit_test_setup(test_a_header_is_sent_in_pieces, fake_tls_mend),
        cmocka_unit_test_setup(test_a_header_that_is_not_taken_in_time, fake_tls_mend),
        cmocka_unit_test_setup(test_a_broken_header_ends_the_session, fake_tls_mend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
