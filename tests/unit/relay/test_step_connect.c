/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_step_connect.c - getting a server: the next one after a failure, none left, a client that
 * leaves meanwhile. A server whose accept queue is full stands for one that does not answer.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/load.h"
#include "relay/relay_world.h"
#include "relay/step.h"

static struct {
    int errno_of_connect; /* 0: the call goes through */
    int errno_of_socket;
} calls;

int __real_connect(int fd, const struct sockaddr *addr, socklen_t length);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t length);
int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);

int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t length)
{
    if (calls.errno_of_connect != 0) {
        errno = calls.errno_of_connect;
        return -1;
    }
    return __real_connect(fd, addr, length);
}

int __wrap_socket(int domain, int type, int protocol)
{
    if (calls.errno_of_socket != 0) {
        errno = calls.errno_of_socket;
        return -1;
    }
    return __real_socket(domain, type, protocol);
}

static int mend(void **state)
{
    memset(&calls, 0, sizeof(calls));
    return 0;
}

/* Nobody listens there any more. */
static void close_server(struct relay_world *world, unsigned server)
{
    peer_close(&world->server_fds[server]);
}

/* Makes the server answer no connect: its accept queue is full. */
struct silence {
    int fds[8];
};

static void silence_server(struct relay_world *world, unsigned server, struct silence *silence)
{
    assert_int_equal(listen(world->server_fds[server], 0), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(silence->fds); i++) {
        silence->fds[i] = tcp_connect(world->servers[server].addr.port);
        if (i == 0)
            peer_poll(silence->fds[i], POLLOUT, TCP_PAIR_DEADLINE_MS);
    }
}

static void silence_end(struct silence *silence)
{
    for (size_t i = 0; i < ARRAY_LENGTH(silence->fds); i++)
        peer_close(&silence->fds[i]);
}

static uint64_t connects(const struct relay_world *world, unsigned server,
                         enum connect_result result)
{
    return counter_get(&world->servers[server].counters[0].connects[result]);
}

static void test_a_session_connects_and_counts_it(void **state)
{
    struct relay_world world;
    struct relay_line line;
    struct session_record record;

    relay_world_open(&world, 1);
    relay_world_join(&world, &line);
    assert_int_equal(world.servers[0].active, 1);
    assert_int_equal(connects(&world, 0, CONNECT_OK), 1);
    relay_world_part(&world, &line);
    record = relay_world_record(&world);
    assert_true(record.connect_us >= 0);
    assert_int_equal(record.retries, 0);
    relay_world_close(&world);
}

static void test_bytes_sent_before_the_connect_are_not_lost(void **state)
{
    struct relay_world world;
    int pair[2];
    int server;

    relay_world_open(&world, 1);
    tcp_pair(pair);
    peer_send(pair[0], 0, 5000);
    shutdown(pair[0], SHUT_WR);
    peer_wait_acknowledged(pair[0]);
    relay_world_session(&world, pair);
    server = relay_world_server(&world, 0);
    relay_world_receive(&world, server, 0, 5000);
    assert_int_equal(relay_world_end(&world, server, 5000, NULL), PEER_ENDED);
    peer_close(&server);
    assert_int_equal(relay_world_end(&world, pair[0], 0, NULL), PEER_ENDED);
    peer_close(&pair[0]);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_DONE);
    relay_world_close(&world);
}

static void test_a_refusing_server_is_followed_by_the_next(void **state)
{
    struct relay_world world;
    struct session_record record;
    int pair[2];
    int server;

    relay_world_open(&world, 3);
    close_server(&world, 0);
    close_server(&world, 1);
    tcp_pair(pair);
    peer_send(pair[0], 0, 100);
    relay_world_session(&world, pair);
    server = relay_world_server(&world, 2);
    relay_world_receive(&world, server, 0, 100);
    assert_int_equal(world.servers[0].active, 0);
    assert_int_equal(world.servers[1].active, 0);
    assert_int_equal(world.servers[2].active, 1);
    /* Nothing of the failed attempts clings to the conn. */
    assert_false(relay_world_last_session(&world)->conn[BACKEND].hup_in);
    assert_int_equal(relay_world_last_session(&world)->conn[BACKEND].error, 0);
    peer_close(&pair[0]);
    peer_close(&server);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_DONE);
    assert_int_equal(record.retries, 2);
    assert_string_equal(record.server, "s2");
    assert_int_equal(connects(&world, 0, CONNECT_REFUSED), 1);
    assert_int_equal(connects(&world, 1, CONNECT_REFUSED), 1);
    assert_int_equal(counter_get(&world.resources.counters.pools[0].retries), 2);
    relay_world_close(&world);
}

static void check_all_refuse(enum refusal how, enum peer_end expected)
{
    struct relay_world world;
    struct session_record record;
    int client;

    relay_world_open(&world, 2);
    close_server(&world, 0);
    close_server(&world, 1);
    world.listener.when_down = how;
    client = relay_world_client(&world);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), expected);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CONNECT_REFUSED);
    assert_int_equal(record.error, ECONNREFUSED);
    assert_int_equal(record.phase, PHASE_CONNECT);
    assert_int_equal(record.first, FIRST_SERVER);
    assert_int_equal(record.connect_us, -1);
    assert_int_equal(record.retries, 1);
    peer_close(&client);
    relay_world_close(&world);
}

static void test_when_all_refuse_the_client_sees_what_when_down_says(void **state)
{
    check_all_refuse(REFUSE_RESET, PEER_RESET);
    check_all_refuse(REFUSE_CLOSE, PEER_ENDED);
}

static void test_connect_retries_bounds_the_attempts(void **state)
{
    struct relay_world world;
    int client;

    relay_world_open(&world, 3);
    world.pool.options.connect_retries = 1;
    close_server(&world, 0);
    close_server(&world, 1);
    client = relay_world_client(&world);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    assert_int_equal(relay_world_last_record(&world).retries, 1);
    assert_int_equal(connects(&world, 2, CONNECT_OK), 0);
    peer_close(&client);
    relay_world_close(&world);
}

static void test_the_last_of_several_reasons_is_the_one_given(void **state)
{
    struct relay_world world;
    struct silence silence;
    struct session_record record;
    int client;

    relay_world_open(&world, 2);
    close_server(&world, 0);
    silence_server(&world, 1, &silence);
    world.pool.options.connect_timeout_ms = 60;
    client = relay_world_client(&world);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CONNECT_TIMEOUT);
    assert_int_equal(record.error, ETIMEDOUT);
    assert_string_equal(record.server, "s1");
    assert_int_equal(connects(&world, 1, CONNECT_TIMED_OUT), 1);
    silence_end(&silence);
    peer_close(&client);
    relay_world_close(&world);
}

static void test_each_attempt_has_its_own_connect_timeout(void **state)
{
    struct relay_world world;
    struct silence silence;
    int64_t started_ms;
    int client, server;

    relay_world_open(&world, 2);
    silence_server(&world, 0, &silence);
    world.pool.options.connect_timeout_ms = 60;
    started_ms = clock_now_ms();
    client = relay_world_client(&world);
    server = relay_world_server(&world, 1);
    assert_true(clock_now_ms() - started_ms >= 52);
    peer_close(&client);
    peer_close(&server);
    assert_int_equal(relay_world_last_record(&world).retries, 1);
    silence_end(&silence);
    relay_world_close(&world);
}

static void test_no_connect_timeout_is_no_deadline(void **state)
{
    struct relay_world world;
    struct silence silence;
    struct session *session;
    int client;

    relay_world_open(&world, 1);
    silence_server(&world, 0, &silence);
    world.pool.options.connect_timeout_ms = 0;
    client = relay_world_client(&world);
    session = relay_world_last_session(&world);
    relay_world_run_for(&world, 50);
    assert_true(relay_world_has(&world, session));
    assert_int_equal(session->state, SESSION_CONNECT);
    session_end(session, CLOSE_KILLED);
    silence_end(&silence);
    peer_close(&client);
    relay_world_close(&world);
}

/* What makes a server unusable */

static void check_no_server(enum close_reason reason, enum first first)
{
    struct relay_world world;
    struct session_record record;
    int client;

    memset(&world, 0, sizeof(world));
    relay_world_configure(&world, 1);
    if (reason == CLOSE_NO_SERVER)
        world.servers[0].admin = SERVER_ADMIN_MAINT;
    if (reason == CLOSE_DNS_FAILED)
        world.servers[0].addr.family = AF_UNSPEC;
    if (reason == CLOSE_LIMIT) {
        world.servers[0].max_connections = 1;
        world.servers[0].active = 1;
    }
    relay_world_start(&world);
    client = relay_world_client(&world);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, reason);
    assert_int_equal(record.first, first);
    assert_string_equal(record.server, "");
    world.servers[0].active = 0;
    peer_close(&client);
    relay_world_close(&world);
}

static void test_a_pool_without_a_usable_server_says_why(void **state)
{
    check_no_server(CLOSE_NO_SERVER, FIRST_SERVER);
    check_no_server(CLOSE_DNS_FAILED, FIRST_SERVER);
    check_no_server(CLOSE_LIMIT, FIRST_CULVERT);
}

static void test_a_server_at_its_limit_gets_no_more_sessions(void **state)
{
    struct relay_world world;
    struct relay_line line;
    int second, server;

    relay_world_open(&world, 2);
    world.servers[0].max_connections = 1;
    relay_world_join(&world, &line);
    second = relay_world_client(&world);
    server = relay_world_server(&world, 1);
    assert_int_equal(world.servers[0].active, 1);
    assert_int_equal(world.servers[1].active, 1);
    relay_world_part(&world, &line);
    assert_int_equal(world.servers[0].active, 0);
    peer_close(&second);
    peer_close(&server);
    relay_world_last_record(&world);
    relay_world_close(&world);
}

/* Failures that are culvert's own */

static void check_local_error(int error, enum close_reason reason, int attempts)
{
    struct relay_world world;
    struct session_record record;
    int pair[2];

    relay_world_open(&world, 2);
    world.pool.options.max_fails = 1;
    tcp_pair(pair);
    if (error == EADDRNOTAVAIL)
        calls.errno_of_connect = error;
    else
        calls.errno_of_socket = error;
    relay_world_session(&world, pair);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, reason);
    assert_int_equal(record.error, error);
    assert_int_equal(record.first, FIRST_CULVERT);
    assert_int_equal(record.retries, attempts - 1);
    /* It does not count against the servers. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(world.servers[i].health, SERVER_UP);
        assert_int_equal(world.servers[i].failures, 0);
    }
    peer_close(&pair[0]);
    mend(NULL);
    relay_world_close(&world);
}

static void test_a_local_shortage_is_no_fault_of_the_server(void **state)
{
    check_local_error(EMFILE, CLOSE_NO_RESOURCES, 1);
    check_local_error(ENFILE, CLOSE_NO_RESOURCES, 1);
    check_local_error(EADDRNOTAVAIL, CLOSE_PORTS_EXHAUSTED, 2);
}

static void test_an_unreachable_server_is_reported_as_such(void **state)
{
    struct relay_world world;
    struct session_record record;
    int pair[2];

    relay_world_open(&world, 1);
    tcp_pair(pair);
    calls.errno_of_connect = EHOSTUNREACH;
    relay_world_session(&world, pair);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_CONNECT_FAILED);
    assert_int_equal(record.error, EHOSTUNREACH);
    assert_int_equal(connects(&world, 0, CONNECT_UNREACHABLE), 1);
    peer_close(&pair[0]);
    mend(NULL);
    relay_world_close(&world);
}

/* Passive health */

static void test_a_server_that_keeps_refusing_is_ejected_and_comes_back_by_a_trial(void **state)
{
    struct relay_world world;
    struct relay_line line;
    int client, server;
    uint16_t port;

    relay_world_open(&world, 2);
    world.pool.options.max_fails = 1;
    world.pool.options.fail_timeout_ms = 60;
    port = world.servers[0].addr.port;
    close_server(&world, 0);
    client = relay_world_client(&world);
    server = relay_world_server(&world, 1);
    assert_int_equal(world.servers[0].health, SERVER_EJECTED);
    peer_close(&client);
    peer_close(&server);
    relay_world_last_record(&world);

    /* The address is served again. */
    world.server_fds[0] = tcp_listen(&port, 0);
    world.servers[0].addr.port = port;
    relay_world_run_for(&world, 80);
    relay_world_join(&world, &line);
    assert_ptr_equal(line.session->server, &world.servers[0]);
    assert_int_equal(world.servers[0].health, SERVER_UP);
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

/* A trial connect that never gets an answer, cut in different ways. */
static struct session *start_trial(struct relay_world *world, struct silence *silence, int *client)
{
    struct session *session;

    relay_world_open(world, 1);
    silence_server(world, 0, silence);
    world->servers[0].health = SERVER_EJECTED;
    world->pool.out_count = 1;
    *client = relay_world_client(world);
    session = relay_world_last_session(world);
    assert_int_equal(world->servers[0].health, SERVER_TRIAL);
    assert_int_equal(session->state, SESSION_CONNECT);
    return session;
}

static void test_a_trial_that_a_kill_cuts_off_is_given_back(void **state)
{
    struct relay_world world;
    struct silence silence;
    int client;
    struct session *session = start_trial(&world, &silence, &client);

    session_end(session, CLOSE_KILLED);
    assert_int_equal(world.servers[0].health, SERVER_EJECTED);
    peer_close(&client);
    silence_end(&silence);
    relay_world_close(&world);
}

static void test_a_trial_whose_client_leaves_is_given_back(void **state)
{
    struct relay_world world;
    struct silence silence;
    int client;

    start_trial(&world, &silence, &client);
    peer_reset(&client);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_CLIENT_LEFT);
    assert_int_equal(world.servers[0].health, SERVER_EJECTED);
    silence_end(&silence);
    relay_world_close(&world);
}

/* The client meanwhile */

static void test_a_client_that_resets_while_connecting_has_left(void **state)
{
    struct relay_world world;
    struct silence silence;
    struct session_record record;
    int client;

    for (int with_data = 0; with_data < 2; with_data++) {
        relay_world_open(&world, 1);
        silence_server(&world, 0, &silence);
        client = relay_world_client(&world);
        relay_world_run_for(&world, 10);
        if (with_data == 1)
            peer_send(client, 0, 100);
        peer_reset(&client);
        record = relay_world_last_record(&world);
        assert_int_equal(record.reason, CLOSE_CLIENT_LEFT);
        assert_int_equal(record.phase, PHASE_CONNECT);
        assert_int_equal(record.first, FIRST_CLIENT);
        assert_int_equal(record.error, ECONNRESET);
        assert_true(record.duration_us < load_limit_ms(2000) * 1000);
        silence_end(&silence);
        relay_world_close(&world);
    }
}

static void test_a_client_that_ends_its_stream_while_connecting_has_not_left(void **state)
{
    struct relay_world world;
    struct silence silence;
    int client, server;

    relay_world_open(&world, 2);
    silence_server(&world, 0, &silence);
    world.pool.options.connect_timeout_ms = 150;
    client = relay_world_client(&world);
    peer_send(client, 0, 100);
    shutdown(client, SHUT_WR);
    server = relay_world_server(&world, 1);
    assert_int_equal(relay_world_end(&world, server, 0, NULL), PEER_ENDED);
    peer_send(server, 0, 300);
    peer_close(&server);
    relay_world_receive(&world, client, 0, 300);
    assert_int_equal(relay_world_end(&world, client, 300, NULL), PEER_ENDED);
    peer_close(&client);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_DONE);
    silence_end(&silence);
    relay_world_close(&world);
}

/* A client and its server's end of the connect, before the relay has looked at that. */
static int open_accepted(struct relay_world *world, int *server)
{
    int client;

    relay_world_open(world, 1);
    client = relay_world_client(world);
    while (!relay_world_try_accept(world, 0, server))
        peer_poll(world->server_fds[0], POLLIN, 10);
    return client;
}

static void test_a_server_that_accepts_and_resets_at_once_was_connected(void **state)
{
    struct relay_world world;
    struct session_record record;
    int client, server;
    size_t received;

    client = open_accepted(&world, &server);
    /* All that before the relay's loop runs: the first look finds a connection that is gone. */
    peer_send(server, 0, 700);
    peer_reset(&server);
    assert_int_equal(relay_world_end(&world, client, 0, &received), PEER_RESET);
    assert_int_equal(received, 700);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_SERVER_RESET);
    assert_int_equal(record.error, ECONNRESET);
    assert_true(record.connect_us >= 0);
    assert_int_equal(connects(&world, 0, CONNECT_OK), 1);
    peer_close(&client);
    relay_world_close(&world);
}

/* The look has eaten the error, and the end of the stream comes before it: the client must see the
   end, and then the reset. */
static void test_a_server_that_ends_and_resets_at_once_has_reset(void **state)
{
    struct relay_world world;
    struct session_record record;
    int client, server;
    size_t received;

    client = open_accepted(&world, &server);
    peer_send(server, 0, 700);
    assert_int_equal(shutdown(server, SHUT_WR), 0);
    peer_reset(&server);
    assert_int_equal(relay_world_end(&world, client, 0, &received), PEER_ENDED);
    assert_int_equal(received, 700);
    RUN_UNTIL(&world, (peer_poll(client, 0, 0) & POLLERR) != 0);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_DONE); /* it answered early, and all has arrived */
    assert_int_equal(record.error, EPIPE);
    assert_int_equal(record.first, FIRST_SERVER);
    assert_int_equal(connects(&world, 0, CONNECT_OK), 1);
    peer_close(&client);
    relay_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_session_connects_and_counts_it),
        cmocka_unit_test(test_bytes_sent_before_the_connect_are_not_lost),
        cmocka_unit_test(test_a_refusing_server_is_followed_by_the_next),
        cmocka_unit_test(test_when_all_refuse_the_client_sees_what_when_down_says),
        cmocka_unit_test(test_connect_retries_bounds_the_attempts),
        cmocka_unit_test(test_the_last_of_several_reasons_is_the_one_given),
        cmocka_unit_test(test_each_attempt_has_its_own_connect_timeout),
        cmocka_unit_test(test_no_connect_timeout_is_no_deadline),
        cmocka_unit_test(test_a_pool_without_a_usable_server_says_why),
        cmocka_unit_test(test_a_server_at_its_limit_gets_no_more_sessions),
        cmocka_unit_test_teardown(test_a_local_shortage_is_no_fault_of_the_server, mend),
        cmocka_unit_test_teardown(test_an_unreachable_server_is_reported_as_such, mend),
        cmocka_unit_test(test_a_server_that_keeps_refusing_is_ejected_and_comes_back_by_a_trial),
        cmocka_unit_test(test_a_trial_that_a_kill_cuts_off_is_given_back),
        cmocka_unit_test(test_a_trial_whose_client_leaves_is_given_back),
        cmocka_unit_test(test_a_client_that_resets_while_connecting_has_left),
        cmocka_unit_test(test_a_client_that_ends_its_stream_while_connecting_has_not_left),
        cmocka_unit_test(test_a_server_that_accepts_and_resets_at_once_was_connected),
        cmocka_unit_test(test_a_server_that_ends_and_resets_at_once_has_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
