/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_backend_open.c - each kind of server gets its kind of socket.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "relay/relay_world.h"

static struct {
    int failing_sockets; /* calls of socket(2) that still fail */
    int errno_of_socket;
} calls;

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);

int __wrap_socket(int domain, int type, int protocol)
{
    if (calls.failing_sockets > 0) {
        calls.failing_sockets--;
        errno = calls.errno_of_socket;
        return -1;
    }
    return __real_socket(domain, type, protocol);
}

static void test_a_unix_server_is_connected_at_once(void **state)
{
    struct relay_world world;
    struct sockaddr_storage storage;
    static const char name[] = "culvert-test-backend-open";
    int client, server;
    socklen_t length;

    memset(&world, 0, sizeof(world));
    relay_world_configure(&world, 1);
    peer_close(&world.server_fds[0]);
    world.servers[0].addr = (struct addr){.family = AF_UNIX, .is_abstract = true, .path = name};
    world.server_fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    length = addr_to_sockaddr(&world.servers[0].addr, &storage);
    assert_int_equal(bind(world.server_fds[0], (struct sockaddr *)&storage, length), 0);
    assert_int_equal(listen(world.server_fds[0], 4), 0);
    relay_world_start(&world);
    client = relay_world_client(&world);
    assert_int_equal(relay_world_last_session(&world)->state, SESSION_RELAY);
    server = relay_world_server(&world, 0);
    peer_send(client, 0, 40000);
    relay_world_receive(&world, server, 0, 40000);
    relay_world_send(&world, server, 0, 40000);
    relay_world_receive(&world, client, 0, 40000);
    peer_close(&server);
    assert_int_equal(relay_world_end(&world, client, 40000, NULL), PEER_ENDED);
    peer_close(&client);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_DONE);
    relay_world_close(&world);
}

static void test_a_builtin_server_answers(void **state)
{
    struct relay_world world;
    struct session_record record;
    int client;

    memset(&world, 0, sizeof(world));
    relay_world_configure(&world, 1);
    world.servers[0].builtin = BUILTIN_ECHO;
    relay_world_start(&world);
    client = relay_world_client(&world);
    relay_world_send(&world, client, 0, 100000);
    shutdown(client, SHUT_WR);
    relay_world_receive(&world, client, 0, 100000);
    assert_int_equal(relay_world_end(&world, client, 100000, NULL), PEER_ENDED);
    peer_close(&client);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_DONE);
    assert_int_equal(record.upload_bytes, 100000);
    assert_int_equal(record.download_bytes, 100000);
    assert_string_equal(record.server_addr, "builtin:echo");
    relay_world_close(&world);
}

/* The client has been accepted: what it needs beside its own descriptor is kept for it. */
static void test_the_slack_serves_when_descriptors_run_out(void **state)
{
    struct relay_world world;
    struct relay_line line;
    int pair[2];

    relay_world_open(&world, 1);
    assert_true(relay_take_slack(&world.resources));
    tcp_pair(pair);
    calls.failing_sockets = 1;
    calls.errno_of_socket = EMFILE;
    relay_world_session(&world, pair);
    assert_int_equal(calls.failing_sockets, 0);
    assert_false(world.resources.has_slack);
    line = (struct relay_line){.client = pair[0],
                               .server = relay_world_server(&world, 0),
                               .session = relay_world_last_session(&world)};
    relay_world_part(&world, &line);
    assert_true(world.resources.has_slack);
    assert_int_equal(relay_world_record(&world).retries, 0);
    relay_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_unix_server_is_connected_at_once),
        cmocka_unit_test(test_a_builtin_server_answers),
        cmocka_unit_test(test_the_slack_serves_when_descriptors_run_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
