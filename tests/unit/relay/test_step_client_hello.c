/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_step_client_hello.c - looking at what a client asks for: cut anywhere, never finished, no
 * TLS at all, and PostgreSQL's way to TLS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/postgres.h"
#include "tls/hello_cases.h"
#include "relay/relay_world.h"
#include "relay/step.h"

static char route_name[] = "api";
static struct route route = {.name = route_name, .action = ROUTE_RELAY};

/* A listener that relays api.example.com undecrypted and has no pool for others. */
static void open_world(struct relay_world *world, enum starttls starttls)
{
    const struct route *other;

    memset(world, 0, sizeof(*world));
    relay_world_configure(world, 1);
    world->listener.peeks_hello = true;
    world->listener.starttls = starttls;
    relay_world_start(world);
    router_destroy(world->listener.router);
    world->listener.router = router_create(NULL);
    route.pool = &world->pool;
    assert_true(router_add(world->listener.router, &(struct route_match){.sni = "api.example.com"},
                           &route, &other));
}

static void make_hello(struct bytes *hello, const char *name)
{
    *hello = (struct bytes){.data = NULL};
    hello_named(hello, name);
}

static void send_all(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

/* Waits for exactly these bytes at a peer. */
static void expect(struct relay_world *world, int fd, const void *bytes, size_t size)
{
    unsigned char received[4096];
    size_t count = 0;

    assert_true(size <= sizeof(received));
    while (count < size) {
        ssize_t some;

        RUN_UNTIL(world, (some = recv(fd, received + count, size - count, 0)) != -1);
        assert_true(some > 0);
        count += (size_t)some;
    }
    assert_memory_equal(received, bytes, size);
}

/* The session has gone through CLIENT_HELLO and its server has the hello, byte for byte. */
static void finish_relayed(struct relay_world *world, int *client, const struct bytes *hello)
{
    int server = relay_world_server(world, 0);
    struct session_record record;

    expect(world, server, hello->data, hello->size);
    peer_close(client);
    peer_close(&server);
    record = relay_world_last_record(world);
    assert_string_equal(record.sni, "api.example.com");
    assert_string_equal(record.route, "api");
    assert_string_equal(record.pool, "back");
    assert_string_equal(record.tls, "");
}

static void test_a_hello_chooses_the_route_and_reaches_the_server_unchanged(void **state)
{
    struct relay_world world;
    struct bytes hello;
    int client;

    open_world(&world, STARTTLS_OFF);
    make_hello(&hello, "API.Example.com");
    client = relay_world_client(&world);
    relay_world_run_for(&world, 5);
    assert_int_equal(relay_world_last_session(&world)->state, SESSION_CLIENT_HELLO);
    send_all(client, hello.data, hello.size);
    finish_relayed(&world, &client, &hello);
    bytes_release(&hello);
    relay_world_close(&world);
}

static void test_a_hello_may_be_cut_at_any_byte(void **state)
{
    struct relay_world world;
    struct bytes hello;

    open_world(&world, STARTTLS_OFF);
    make_hello(&hello, "api.example.com");
    for (size_t cut = 1; cut < hello.size; cut++) {
        int client = relay_world_client(&world);

        send_all(client, hello.data, cut);
        relay_world_turn(&world);
        relay_world_turn(&world);
        assert_int_equal(relay_world_last_session(&world)->state, SESSION_CLIENT_HELLO);
        send_all(client, hello.data + cut, hello.size - cut);
        finish_relayed(&world, &client, &hello);
    }
    bytes_release(&hello);
    relay_world_close(&world);
}

/* Bytes keep coming, but the time runs from accept. */
static void test_a_dribbled_hello_runs_out_of_time(void **state)
{
    struct relay_world world;
    struct bytes hello;
    struct session_record record;
    int64_t started_us = clock_now_us();
    int client;
    size_t sent = 0;
    enum peer_end end = PEER_OPEN;

    open_world(&world, STARTTLS_OFF);
    world.listener.preread_timeout_ms = 100;
    make_hello(&hello, "api.example.com");
    client = relay_world_client(&world);
    for (; sent < hello.size - 1 && !list_is_empty(&world.resources.sessions); sent++) {
        (void)!send(client, hello.data + sent, 1, MSG_NOSIGNAL);
        relay_world_run_for(&world, 4);
    }
    assert_in_range(sent, 1, hello.size - 2); /* it did not wait for the dribble to end */
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CLIENT_TIMEOUT);
    assert_int_equal(record.waited_for, FIRST_CLIENT);
    assert_int_equal(record.phase, PHASE_PREREAD);
    assert_true(clock_now_us() - started_us >= 90000);
    peer_receive_some(client, 0, 1, &end);
    assert_int_equal(end, PEER_RESET);
    peer_close(&client);
    bytes_release(&hello);
    relay_world_close(&world);
}

/* How a client gives up in the middle of its hello, or before the first byte. */
static void check_left(size_t sent, bool is_reset, bool in_one_wakeup)
{
    struct relay_world world;
    struct bytes hello;
    struct session_record record;
    int client;

    open_world(&world, STARTTLS_OFF);
    make_hello(&hello, "api.example.com");
    client = relay_world_client(&world);
    relay_world_turn(&world);
    send_all(client, hello.data, sent);
    if (!in_one_wakeup)
        relay_world_run_for(&world, 3);
    if (is_reset)
        peer_reset(&client);
    else
        shutdown(client, SHUT_WR);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CLIENT_LEFT);
    assert_int_equal(record.first, FIRST_CLIENT);
    assert_int_equal(record.error, is_reset ? ECONNRESET : 0);
    assert_string_equal(record.server, "");
    peer_close(&client);
    bytes_release(&hello);
    relay_world_close(&world);
}

static void test_a_client_that_ends_or_resets_before_its_hello_is_whole_has_left(void **state)
{
    for (int i = 0; i < 8; i++)
        check_left((i & 1) != 0 ? 40 : 0, (i & 2) != 0, (i & 4) != 0);
}

/* A whole hello with the end right behind it is a session like any other. */
static void test_a_client_may_end_behind_its_hello(void **state)
{
    struct relay_world world;
    struct bytes hello;
    int client, server;

    open_world(&world, STARTTLS_OFF);
    make_hello(&hello, "api.example.com");
    client = relay_world_client(&world);
    send_all(client, hello.data, hello.size);
    shutdown(client, SHUT_WR);
    server = relay_world_server(&world, 0);
    expect(&world, server, hello.data, hello.size);
    peer_close(&server);
    peer_close(&client);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_DONE);
    bytes_release(&hello);
    relay_world_close(&world);
}

static void test_what_is_no_tls_is_refused_and_no_server_is_contacted(void **state)
{
    static const char *const openings[] = {"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
                                           "\x16\x03\x01\x40\x01 too long a record"};

    for (size_t i = 0; i < ARRAY_LENGTH(openings); i++) {
        struct relay_world world;
        struct session_record record;
        enum peer_end end = PEER_OPEN;
        int client;

        open_world(&world, STARTTLS_OFF);
        client = relay_world_client(&world);
        send_all(client, openings[i], strlen(openings[i]));
        record = relay_world_last_record(&world);
        assert_int_equal(record.reason, CLOSE_CLIENT_TLS);
        assert_int_equal(record.first, FIRST_CLIENT);
        assert_true(strlen(record.tls_error) > 0);
        assert_string_equal(record.server, "");
        assert_int_equal(counter_get(&world.servers[0].counters[0].connects[CONNECT_OK]), 0);
        peer_receive_some(client, 0, 1, &end);
        assert_int_equal(end, PEER_RESET);
        peer_close(&client);
        relay_world_close(&world);
    }
}

static void test_an_unknown_name_gets_an_alert_behind_which_the_stream_ends(void **state)
{
    static const unsigned char alert[] = {21, 3, 3, 0, 2, 2, 112};
    struct relay_world world;
    struct bytes hello;
    struct session_record record;
    char byte;
    int client;

    open_world(&world, STARTTLS_OFF);
    world.listener.no_route = REFUSE_ALERT;
    make_hello(&hello, "other.example.com");
    client = relay_world_client(&world);
    send_all(client, hello.data, hello.size);
    expect(&world, client, alert, sizeof(alert));
    RUN_UNTIL(&world, recv(client, &byte, 1, 0) != -1 || errno != EAGAIN);
    assert_int_equal(recv(client, &byte, 1, 0), 0); /* an end, no reset */
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_NO_ROUTE);
    assert_string_equal(record.sni, "other.example.com");
    peer_close(&client);
    bytes_release(&hello);
    relay_world_close(&world);
}

/* starttls = postgres */

static const unsigned char gss_request[] = {0, 0, 0, 8, 4, 210, 22, 48};

static void test_an_sslrequest_is_answered_and_repeated_to_the_server(void **state)
{
    struct relay_world world;
    struct bytes hello;
    int client, server;

    open_world(&world, STARTTLS_POSTGRES);
    make_hello(&hello, "api.example.com");
    client = relay_world_client(&world);
    send_all(client, postgres_ssl_request, 3);
    relay_world_run_for(&world, 3);
    send_all(client, postgres_ssl_request + 3, 5);
    expect(&world, client, "S", 1);
    send_all(client, hello.data, hello.size);
    server = relay_world_server(&world, 0);
    expect(&world, server, postgres_ssl_request, POSTGRES_REQUEST_BYTES);
    send_all(server, "S", 1);
    expect(&world, server, hello.data, hello.size);
    /* The answer was for culvert: the client gets nothing of it. */
    send_all(server, "after", 5);
    expect(&world, client, "after", 5);
    peer_close(&client);
    peer_close(&server);
    assert_string_equal(relay_world_last_record(&world).sni, "api.example.com");
    bytes_release(&hello);
    relay_world_close(&world);
}

/* Without a look at the hello the connecting begins right behind the request. */
static void test_the_time_until_an_sslrequest_is_not_that_of_connecting(void **state)
{
    struct relay_world world;
    struct session_record record;
    int client, server;

    open_world(&world, STARTTLS_POSTGRES);
    world.listener.peeks_hello = false;
    router_destroy(world.listener.router);
    world.listener.router = router_create(&world.pool);
    client = relay_world_client(&world);
    relay_world_run_for(&world, 100);
    send_all(client, postgres_ssl_request, POSTGRES_REQUEST_BYTES);
    expect(&world, client, "S", 1);
    server = relay_world_server(&world, 0);
    expect(&world, server, postgres_ssl_request, POSTGRES_REQUEST_BYTES);
    send_all(server, "Safter", 6);
    expect(&world, client, "after", 5);
    peer_close(&client);
    peer_close(&server);
    record = relay_world_last_record(&world);
    assert_in_range(record.connect_us, 0, record.duration_us - 100000);
    relay_world_close(&world);
}

static void test_gssapi_is_declined_and_tls_asked_for_next(void **state)
{
    struct relay_world world;
    int client;

    open_world(&world, STARTTLS_POSTGRES);
    client = relay_world_client(&world);
    send_all(client, gss_request, sizeof(gss_request));
    expect(&world, client, "N", 1);
    send_all(client, postgres_ssl_request, POSTGRES_REQUEST_BYTES);
    expect(&world, client, "S", 1);
    peer_close(&client);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_CLIENT_LEFT);
    relay_world_close(&world);
}

static void test_tls_without_an_sslrequest_is_relayed_without_one(void **state)
{
    struct relay_world world;
    struct bytes hello;
    int client;

    open_world(&world, STARTTLS_POSTGRES);
    make_hello(&hello, "api.example.com");
    client = relay_world_client(&world);
    send_all(client, hello.data, hello.size);
    finish_relayed(&world, &client, &hello);
    bytes_release(&hello);
    relay_world_close(&world);
}

static void test_bytes_behind_an_sslrequest_are_an_intrusion(void **state)
{
    struct relay_world world;
    struct session_record record;
    unsigned char request[POSTGRES_REQUEST_BYTES + 1];
    enum peer_end end = PEER_OPEN;
    int client;

    open_world(&world, STARTTLS_POSTGRES);
    memcpy(request, postgres_ssl_request, POSTGRES_REQUEST_BYTES);
    request[POSTGRES_REQUEST_BYTES] = 22;
    client = relay_world_client(&world);
    send_all(client, request, sizeof(request));
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CLIENT_TLS);
    assert_string_equal(record.tls_error, "bytes came behind the SSLRequest before its answer");
    assert_int_equal(peer_receive_some(client, 0, 1, &end), 0); /* no answer */
    assert_int_equal(end, PEER_RESET);
    peer_close(&client);
    relay_world_close(&world);
}

/* The request is still there to read, but nobody to answer. */
static void test_a_client_that_resets_behind_its_sslrequest_has_left(void **state)
{
    struct relay_world world;
    struct session_record record;
    int client;

    open_world(&world, STARTTLS_POSTGRES);
    client = relay_world_client(&world);
    send_all(client, postgres_ssl_request, POSTGRES_REQUEST_BYTES);
    peer_reset(&client);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CLIENT_LEFT);
    assert_string_equal(record.tls_error, "");
    assert_int_not_equal(record.error, 0);
    relay_world_close(&world);
}

/* Request and end are told by one edge. */
static void test_a_client_that_ends_behind_its_sslrequest_has_left(void **state)
{
    for (int i = 0; i < 3; i++) {
        struct relay_world world;
        int client;

        open_world(&world, STARTTLS_POSTGRES);
        world.listener.peeks_hello = i > 0;
        client = relay_world_client(&world);
        relay_world_run_for(&world, 5);
        send_all(client, i < 2 ? postgres_ssl_request : gss_request, POSTGRES_REQUEST_BYTES);
        assert_int_equal(shutdown(client, SHUT_WR), 0);
        assert_int_equal(relay_world_last_record(&world).reason, CLOSE_CLIENT_LEFT);
        peer_close(&client);
        relay_world_close(&world);
    }
}

static void test_a_start_in_clear_text_is_told_that_tls_is_required(void **state)
{
    static const unsigned char startup[] = {0, 0, 0, 9, 0, 3, 0, 0, 0};
    struct relay_world world;
    char byte;
    int client;

    open_world(&world, STARTTLS_POSTGRES);
    client = relay_world_client(&world);
    send_all(client, startup, sizeof(startup));
    expect(&world, client, postgres_tls_required, postgres_tls_required_size);
    assert_int_equal(recv(client, &byte, 1, 0), 0);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_CLIENT_TLS);
    peer_close(&client);
    relay_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hello_chooses_the_route_and_reaches_the_server_unchanged),
        cmocka_unit_test(test_a_hello_may_be_cut_at_any_byte),
        cmocka_unit_test(test_a_dribbled_hello_runs_out_of_time),
        cmocka_unit_test(test_a_client_that_ends_or_resets_before_its_hello_is_whole_has_left),
        cmocka_unit_test(test_a_client_may_end_behind_its_hello),
        cmocka_unit_test(test_what_is_no_tls_is_refused_and_no_server_is_contacted),
        cmocka_unit_test(test_an_unknown_name_gets_an_alert_behind_which_the_stream_ends),
        cmocka_unit_test(test_an_sslrequest_is_answered_and_repeated_to_the_server),
        cmocka_unit_test(test_the_time_until_an_sslrequest_is_not_that_of_connecting),
        cmocka_unit_test(test_gssapi_is_declined_and_tls_asked_for_next),
        cmocka_unit_test(test_tls_without_an_sslrequest_is_relayed_without_one),
        cmocka_unit_test(test_bytes_behind_an_sslrequest_are_an_intrusion),
        cmocka_unit_test(test_a_client_that_resets_behind_its_sslrequest_has_left),
        cmocka_unit_test(test_a_client_that_ends_behind_its_sslrequest_has_left),
        cmocka_unit_test(test_a_start_in_clear_text_is_told_that_tls_is_required),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
