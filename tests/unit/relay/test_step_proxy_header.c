/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_step_proxy_header.c - headers in front of a client's bytes: cut anywhere, wrong, late, from
 * those who may send one and from others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "relay/relay_world.h"
#include "relay/step.h"

#define V1 "PROXY TCP4 192.0.2.1 203.0.113.5 50000 443\r\n"
#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define V2_TCP4 V2 "\x21\x11\0\x0c\xc0\0\2\1\xcb\0\x71\5\xc3\x50\1\xbb"
#define LOCAL V2 "\x20\0\0\0"

static struct address_list trusted;

/* Clients of the world come from 127.0.0.1. `proxies` NULL: no list. */
static void open_world(struct relay_world *world, enum accept_proxy accept, const char *proxies)
{
    struct prefix prefix;
    struct error error = {0};

    memset(world, 0, sizeof(*world));
    relay_world_configure(world, 1);
    world->listener.accept_proxy = accept;
    if (proxies != NULL) {
        assert_true(prefix_parse(proxies, strlen(proxies), &prefix, &error));
        address_list_init(&trusted, address_set_create(&prefix, 1));
        world->listener.trusted_proxies = &trusted;
    }
    relay_world_start(world);
}

static void close_world(struct relay_world *world)
{
    if (world->listener.trusted_proxies != NULL)
        address_list_release(&trusted);
    relay_world_close(world);
}

static void send_all(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

/* The server gets these bytes and no others; the session is over then. */
static struct session_record finish(struct relay_world *world, int client, const char *expected)
{
    int server = relay_world_server(world, 0);
    char received[64] = "";
    size_t count = 0;

    while (count < strlen(expected)) {
        ssize_t some;

        RUN_UNTIL(world,
                  (some = recv(server, received + count, sizeof(received) - count, 0)) != -1);
        assert_true(some > 0);
        count += (size_t)some;
    }
    assert_string_equal(received, expected);
    peer_close(&client);
    RUN_UNTIL(world, recv(server, received, 1, 0) == 0);
    peer_close(&server);
    return relay_world_last_record(world);
}

static void check_record(const struct session_record *record, const char *client,
                         const char *client_socket)
{
    assert_int_equal(record->reason, CLOSE_DONE);
    assert_string_equal(record->client, client);
    assert_string_equal(record->client_socket, client_socket);
    assert_string_equal(record->proxy_error, "");
}

static void check_cuts(struct relay_world *world, const char *header, size_t size,
                       const char *client, const char *client_socket)
{
    for (size_t cut = 0; cut <= size; cut++) {
        int fd = relay_world_client(world);
        char bytes[128];
        struct session_record record;

        memcpy(bytes, header, size);
        memcpy(bytes + size, "hello", 5);
        if (cut > 0) {
            send_all(fd, bytes, cut);
            relay_world_turn(world);
            relay_world_turn(world);
        }
        send_all(fd, bytes + cut, size + 5 - cut);
        record = finish(world, fd, "hello");
        check_record(&record, client, client_socket);
        assert_int_equal(record.upload_bytes, 5);
    }
}

static void test_a_header_may_be_cut_at_any_byte(void **state)
{
    struct relay_world world;

    open_world(&world, ACCEPT_PROXY_REQUIRED, NULL);
    check_cuts(&world, V1, sizeof(V1) - 1, "192.0.2.1:50000", "127.0.0.1:1");
    check_cuts(&world, V2_TCP4, sizeof(V2_TCP4) - 1, "192.0.2.1:50000", "127.0.0.1:1");
    check_cuts(&world, LOCAL, sizeof(LOCAL) - 1, "127.0.0.1:1", "");
    check_cuts(&world, "PROXY UNKNOWN\r\n", 15, "127.0.0.1:1", "");
    close_world(&world);
}

/* Only one header is for culvert. */
static void test_a_second_header_is_payload(void **state)
{
    struct relay_world world;
    int fd;

    open_world(&world, ACCEPT_PROXY_REQUIRED, "127.0.0.0/8");
    fd = relay_world_client(&world);
    send_all(fd, V1 V1, 2 * (sizeof(V1) - 1));
    finish(&world, fd, V1);
    close_world(&world);
}

static void test_the_claimed_address_chooses_the_route(void **state)
{
    static char name[] = "named";
    static struct route route = {.name = name, .action = ROUTE_REJECT};
    const struct route *other;
    struct relay_world world;
    struct prefix prefix;
    struct error error = {0};
    struct session_record record;
    int fd;

    open_world(&world, ACCEPT_PROXY_REQUIRED, NULL);
    assert_true(prefix_parse("192.0.2.0/24", 12, &prefix, &error));
    assert_true(router_add(world.listener.router, &(struct route_match){.source = &prefix}, &route,
                           &other));
    fd = relay_world_client(&world);
    send_all(fd, V1, sizeof(V1) - 1);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_DENIED);
    assert_string_equal(record.route, "named");
    peer_close(&fd);
    close_world(&world);
}

/* The proxy was let in when it was accepted; `allow` and `deny` are asked about its client, too. */
static void test_a_denied_client_of_a_trusted_proxy(void **state)
{
    struct relay_world world;
    struct address_list denied;
    struct prefix prefix;
    struct error error = {0};
    struct session_record record;
    int fd, server;

    open_world(&world, ACCEPT_PROXY_REQUIRED, "127.0.0.0/8");
    assert_true(prefix_parse("192.0.2.0/24", 12, &prefix, &error));
    address_list_init(&denied, address_set_create(&prefix, 1));
    world.listener.deny = &denied;
    fd = relay_world_client(&world);
    send_all(fd, V1, sizeof(V1) - 1);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_DENIED);
    assert_string_equal(record.client, "192.0.2.1:50000");
    assert_string_equal(record.client_socket, "127.0.0.1:1");
    assert_false(relay_world_try_accept(&world, 0, &server));
    peer_close(&fd);
    address_list_release(&denied);
    close_world(&world);
}

static void check_refused(struct relay_world *world, const char *bytes, size_t size,
                          const char *fault)
{
    int fd = relay_world_client(world);
    struct session_record record;
    int server;

    if (size > 0)
        send_all(fd, bytes, size);
    assert_int_equal(relay_world_end(world, fd, 0, NULL), PEER_RESET);
    record = relay_world_last_record(world);
    assert_int_equal(record.reason, CLOSE_BAD_PROXY_HEADER);
    assert_int_equal(record.phase, PHASE_PREREAD);
    assert_int_equal(record.first, FIRST_CLIENT);
    assert_string_equal(record.proxy_error, fault);
    assert_string_equal(record.client, "127.0.0.1:1");
    assert_false(relay_world_try_accept(world, 0, &server));
    peer_close(&fd);
}

static void test_wrong_headers_are_refused_and_no_server_is_asked(void **state)
{
    struct relay_world world;

    open_world(&world, ACCEPT_PROXY_REQUIRED, NULL);
    check_refused(&world, "GET / HTTP/1.1\r\n", 16, "no header");
    check_refused(&world, "PROXY TCP4 256.0.0.1 1.1.1.1 1 1\r\n", 34, "bad address");
    check_refused(&world, V2 "\x21\x12\0\0", 16, "unknown family");
    close_world(&world);
}

static void test_who_is_not_trusted_is_refused_where_a_header_is_required(void **state)
{
    struct relay_world world;

    open_world(&world, ACCEPT_PROXY_REQUIRED, "10.0.0.0/8");
    check_refused(&world, "", 0, "not from a trusted address"); /* it is not even heard */
    close_world(&world);
}

static void test_optional_headers_of_the_trusted(void **state)
{
    static const char *const payloads[] = {"GET /", "PROXYX", "PRO", "\r\n\r\nQUIT"};
    struct relay_world world;
    struct session_record record;

    open_world(&world, ACCEPT_PROXY_OPTIONAL, "127.0.0.0/8");
    check_cuts(&world, V1, sizeof(V1) - 1, "192.0.2.1:50000", "127.0.0.1:1");
    for (size_t i = 0; i < ARRAY_LENGTH(payloads); i++) {
        int fd = relay_world_client(&world);

        send_all(fd, payloads[i], strlen(payloads[i]));
        shutdown(fd, SHUT_WR);
        record = finish(&world, fd, payloads[i]);
        check_record(&record, "127.0.0.1:1", "");
    }
    check_refused(&world, "PROXY TCP4\r\n", 12, "bad address");
    close_world(&world);
}

static void test_strangers_are_relayed_where_a_header_is_optional(void **state)
{
    struct relay_world world;
    struct session_record record;
    int fd;

    open_world(&world, ACCEPT_PROXY_OPTIONAL, "10.0.0.0/8");
    fd = relay_world_client(&world);
    send_all(fd, "PROMPT", 6);
    record = finish(&world, fd, "PROMPT");
    check_record(&record, "127.0.0.1:1", "");
    close_world(&world);
}

/* The server that speaks first is not kept waiting; the header comes to nobody all the same. */
static void test_a_header_of_a_stranger_is_never_passed_on(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct relay_line line;
    char bytes[16];

    open_world(&world, ACCEPT_PROXY_OPTIONAL, "10.0.0.0/8");
    relay_world_join(&world, &line);
    send_all(line.server, "220 ", 4);
    RUN_UNTIL(&world, recv(line.client, bytes, sizeof(bytes), 0) == 4);
    for (size_t i = 0; i < 6; i++) {
        send_all(line.client, &V1[i], 1);
        relay_world_run_for(&world, 2);
    }
    assert_int_equal(relay_world_end(&world, line.server, 0, NULL), PEER_RESET);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_BAD_PROXY_HEADER);
    assert_string_equal(record.proxy_error, "not from a trusted address");
    assert_int_equal(record.upload_bytes, 0);
    peer_close(&line.client);
    peer_close(&line.server);
    close_world(&world);
}

/* The look eats the error of a reset that is there before it: no server may take it for an end. */
static void test_a_stranger_that_has_reset_is_joined_to_no_server(void **state)
{
    struct relay_world world;
    struct session_record record;
    int pair[2];

    (void)state;
    open_world(&world, ACCEPT_PROXY_OPTIONAL, "10.0.0.0/8");
    tcp_pair(pair);
    peer_reset(&pair[0]);
    assert_true((peer_poll(pair[1], POLLIN, TCP_PAIR_DEADLINE_MS) & POLLERR) != 0);
    relay_world_session(&world, pair);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CLIENT_LEFT);
    assert_int_equal(record.error, ECONNRESET);
    assert_string_equal(record.server, "");
    close_world(&world);
}

/* Where the client has to speak first, it is waited for, and no server is asked. */
static void test_a_header_before_tls_of_a_stranger(void **state)
{
    struct relay_world world;

    open_world(&world, ACCEPT_PROXY_OPTIONAL, "10.0.0.0/8");
    world.listener.peeks_hello = true;
    check_refused(&world, V1, sizeof(V1) - 1, "not from a trusted address");
    check_refused(&world, V2, sizeof(V2) - 1, "not from a trusted address");
    close_world(&world);
}

/* Bytes keep coming, but the time runs from accept. */
static void test_a_dribbled_header_runs_out_of_time(void **state)
{
    struct relay_world world;
    struct session_record record;
    int fd;

    open_world(&world, ACCEPT_PROXY_REQUIRED, NULL);
    world.listener.preread_timeout_ms = 60;
    fd = relay_world_client(&world);
    for (size_t i = 0; i < sizeof(V1) - 3 && !list_is_empty(&world.resources.sessions); i++) {
        (void)!send(fd, &V1[i], 1, MSG_NOSIGNAL);
        relay_world_run_for(&world, 4);
    }
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CLIENT_TIMEOUT);
    assert_int_equal(record.waited_for, FIRST_CLIENT);
    assert_int_equal(record.phase, PHASE_PREREAD);
    assert_true(record.duration_us >= 60000);
    peer_close(&fd);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_header_may_be_cut_at_any_byte),
        cmocka_unit_test(test_a_second_header_is_payload),
        cmocka_unit_test(test_the_claimed_address_chooses_the_route),
        cmocka_unit_test(test_a_denied_client_of_a_trusted_proxy),
        cmocka_unit_test(test_wrong_headers_are_refused_and_no_server_is_asked),
        cmocka_unit_test(test_who_is_not_trusted_is_refused_where_a_header_is_required),
        cmocka_unit_test(test_optional_headers_of_the_trusted),
        cmocka_unit_test(test_strangers_are_relayed_where_a_header_is_optional),
        cmocka_unit_test(test_a_header_of_a_stranger_is_never_passed_on),
        cmocka_unit_test(test_a_stranger_that_has_reset_is_joined_to_no_server),
        cmocka_unit_test(test_a_header_before_tls_of_a_stranger),
        cmocka_unit_test(test_a_dribbled_header_runs_out_of_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
