/* SPDX-License-Identifier: Apache-2.0 */
/* test_connection_gate.c - places, deadlines, and accept(2) without descriptors. */
#include <event2/buffer.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/load.h"
#include "admin/connection_gate.h"

#define TIME_MS 300
#define LONG_MS 1500 /* of which a busy machine leaves enough */

struct server {
    struct event_base *base;
    struct evhttp *http;
    struct connection_gate gate;
    struct sockaddr_un address;
    socklen_t address_length;
};

static void on_request(struct evhttp_request *request, void *argument)
{
    (void)argument;
    evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
    evhttp_send_reply(request, 200, NULL, NULL);
}

static void server_open(struct server *server, unsigned limit, int64_t time_ms)
{
    struct evconnlistener *listener;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    signal(SIGPIPE, SIG_IGN);
    memset(server, 0, sizeof(*server));
    server->address.sun_family = AF_UNIX;
    snprintf(server->address.sun_path + 1, sizeof(server->address.sun_path) - 1,
             "culvert-test-gate-%d", getpid());
    server->address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                                         strlen(server->address.sun_path + 1));
    assert_int_equal(bind(fd, (struct sockaddr *)&server->address, server->address_length), 0);
    assert_int_equal(listen(fd, 64), 0);
    server->base = event_base_new();
    server->http = evhttp_new(server->base);
    evhttp_set_gencb(server->http, on_request, NULL);
    assert_true(connection_gate_open(&server->gate, server->base, server->http, limit, time_ms));
    listener = evconnlistener_new(server->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE, 0, fd);
    assert_non_null(listener);
    assert_non_null(evhttp_bind_listener(server->http, listener));
    assert_true(connection_gate_add(&server->gate, listener));
}

static void server_close(struct server *server)
{
    evhttp_free(server->http);
    connection_gate_close(&server->gate);
    connection_gate_close(&server->gate);
    event_base_free(server->base);
}

static int server_client(const struct server *server)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&server->address, server->address_length),
                     0);
    return fd;
}

static void client_ask(int fd)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: c\r\n\r\n";

    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

static void server_turn(struct server *server)
{
    const struct timeval moment = {0, 10000};

    event_base_loopexit(server->base, &moment);
    event_base_dispatch(server->base);
}

/* The first byte of the answer: 'H', 0 for an end, or -1 when none came within `limit_ms`. */
static int wait_answer(struct server *server, int fd, int64_t limit_ms)
{
    int64_t end_ms = clock_now_ms() + limit_ms;

    do {
        char byte;
        ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);

        if (got >= 0)
            return got == 1 ? byte : 0;
        server_turn(server);
    } while (clock_now_ms() < end_ms);
    return -1;
}

static void test_no_more_connections_than_places_are_accepted(void **state)
{
    struct server server;
    int clients[10];

    server_open(&server, 2, 20000);
    for (int i = 0; i < 10; i++)
        clients[i] = server_client(&server);
    for (int i = 0; i < 5; i++) {
        server_turn(&server);
        assert_int_equal(connection_gate_taken(&server.gate), 2);
    }
    /* Those that wait are served once those before them are done. */
    for (int i = 0; i < 10; i++)
        client_ask(clients[i]);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(wait_answer(&server, clients[i], 5000), 'H');
        close(clients[i]);
    }
    server_turn(&server);
    assert_int_equal(connection_gate_taken(&server.gate), 0);
    server_close(&server);
}

static void test_a_connection_that_takes_too_long_ends(void **state)
{
    struct server server;
    int64_t started_ms = clock_now_ms();
    int client;

    server_open(&server, 1, TIME_MS);
    client = server_client(&server);
    while (clock_now_ms() - started_ms < 10000) {
        (void)!send(client, "G", 1, MSG_NOSIGNAL); /* each byte restarts evhttp's own clock */
        if (wait_answer(&server, client, 20) == 0)
            break;
    }
    assert_in_range(clock_now_ms() - started_ms, TIME_MS, load_limit_ms(TIME_MS + 3000));
    close(client);
    server_close(&server);
}

static void test_who_is_slow_makes_room_while_others_wait(void **state)
{
    struct server server;
    int64_t started_ms = clock_now_ms();
    int alone, other, waiting;

    server_open(&server, 2, 20000);
    alone = server_client(&server);
    assert_int_equal(wait_answer(&server, alone, GATE_PRESSED_MS + 500), -1);
    other = server_client(&server);
    waiting = server_client(&server);
    client_ask(waiting);
    assert_int_equal(wait_answer(&server, waiting, 5000), 'H');
    assert_int_equal(wait_answer(&server, alone, 100), 0);
    assert_in_range(clock_now_ms() - started_ms, GATE_PRESSED_MS + 500,
                    load_limit_ms(GATE_PRESSED_MS + 4000));
    close(alone);
    close(other);
    close(waiting);
    server_close(&server);
}

static void test_a_complete_request_gets_more_time(void **state)
{
    struct server server;
    int client;

    server_open(&server, 1, LONG_MS);
    client = server_client(&server);
    assert_int_equal(wait_answer(&server, client, LONG_MS / 2), -1);
    connection_gate_complete(&server.gate, server.gate.places[0].connection);
    assert_int_equal(wait_answer(&server, client, LONG_MS * 2 / 3), -1);
    assert_int_equal(wait_answer(&server, client, 5000), 0);
    close(client);
    server_close(&server);
}

static void test_closing_with_open_connections_ends_them(void **state)
{
    struct server server;
    int client;
    char byte;

    server_open(&server, 4, TIME_MS);
    client = server_client(&server);
    server_turn(&server);
    assert_int_equal(connection_gate_taken(&server.gate), 1);
    server_close(&server);
    assert_int_equal(recv(client, &byte, 1, 0), 0);
    close(client);
}

static void test_without_descriptors_accepting_pauses_and_resumes(void **state)
{
    struct server server;
    struct rlimit before, none;
    struct rusage from, to;
    int64_t started_ms;
    int client;

    server_open(&server, 4, TIME_MS);
    client = server_client(&server);
    client_ask(client);
    server_turn(&server); /* libevent opens what it needs */
    assert_int_equal(wait_answer(&server, client, 5000), 'H');
    close(client);
    server_turn(&server);

    client = server_client(&server);
    client_ask(client);
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = (rlim_t)client + 1; /* everything below is taken but for gaps we fill */
    for (int fd; (fd = dup(client)) != -1 && fd < client;)
        continue;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    started_ms = clock_now_ms();
    getrusage(RUSAGE_SELF, &from);
    assert_int_equal(wait_answer(&server, client, 400), -1);
    getrusage(RUSAGE_SELF, &to);
    assert_true(server.gate.is_paused);
    assert_true(clock_now_ms() - started_ms >= 390);
    /* A spin would take all of the 400 ms. */
    assert_in_range((to.ru_utime.tv_sec - from.ru_utime.tv_sec) * 1000000 +
                        (to.ru_utime.tv_usec - from.ru_utime.tv_usec) +
                        (to.ru_stime.tv_sec - from.ru_stime.tv_sec) * 1000000 +
                        (to.ru_stime.tv_usec - from.ru_stime.tv_usec),
                    0, 200000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(wait_answer(&server, client, 5000), 'H');
    server_close(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_more_connections_than_places_are_accepted),
        cmocka_unit_test(test_a_connection_that_takes_too_long_ends),
        cmocka_unit_test(test_who_is_slow_makes_room_while_others_wait),
        cmocka_unit_test(test_a_complete_request_gets_more_time),
        cmocka_unit_test(test_closing_with_open_connections_ends_them),
        cmocka_unit_test(test_without_descriptors_accepting_pauses_and_resumes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
