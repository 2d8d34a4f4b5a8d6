/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_backend_open.c - each kind of server gets its kind of socket.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/own_connects.h"
#include "net/socket.h"
#include "relay/backend_open.h"
#include "relay/relay_world.h"

#define CALLS_MAX 8

static struct {
    int failing_sockets; /* calls of socket(2) that still fail */
    int errno_of_socket;
    bool is_scripted;           /* by the others below */
    int bind_errnos[CALLS_MAX]; /* 0: the call goes through */
    int connect_errnos[CALLS_MAX];
    struct addr bound[CALLS_MAX];
    unsigned binds;
    unsigned connects;
} calls;

int __real_bind(int fd, const struct sockaddr *addr, socklen_t length);
int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t length);
int __real_connect(int fd, const struct sockaddr *addr, socklen_t length);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t length);
int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);

int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t length)
{
    if (calls.is_scripted && calls.binds < CALLS_MAX) {
        addr_from_sockaddr(&calls.bound[calls.binds], addr, length);
        errno = calls.bind_errnos[calls.binds++];
        if (errno != 0)
            return -1;
    }
    return __real_bind(fd, addr, length);
}

int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t length)
{
    if (calls.is_scripted && calls.connects < CALLS_MAX) {
        errno = calls.connect_errnos[calls.connects++];
        if (errno != 0)
            return -1;
    }
    return __real_connect(fd, addr, length);
}

int __wrap_socket(int domain, int type, int protocol)
{
    if (calls.failing_sockets > 0) {
        calls.failing_sockets--;
        errno = calls.errno_of_socket;
        return -1;
    }
    return __real_socket(domain, type, protocol);
}

static int mend(void **state)
{
    (void)state;
    memset(&calls, 0, sizeof(calls));
    return 0;
}

/* Other kinds of servers */

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

/* Source addresses */

#define SOURCES 4

/* A world whose pool connects from 127.0.1.1 to 127.0.1.4, and one of IPv6. */
static void open_with_sources(struct relay_world *world, struct addr *sources)
{
    memset(world, 0, sizeof(*world));
    relay_world_configure(world, 1);
    world->pool.options.max_fails = 1;
    world->pool.options.source_v4_count = SOURCES;
    world->pool.options.source_count = SOURCES + 1;
    for (unsigned i = 0; i < SOURCES; i++) {
        sources[i] = (struct addr){.family = AF_INET};
        sources[i].v4.s_addr = htonl(0x7f000101 + i);
    }
    sources[SOURCES] = (struct addr){.family = AF_INET6};
    sources[SOURCES].v6 = in6addr_loopback;
    world->pool.options.sources = sources;
    relay_world_start(world);
}

/* Starts a session, whose calls are the scripted ones. */
static int start(struct relay_world *world)
{
    int pair[2];

    tcp_pair(pair);
    calls.is_scripted = true;
    relay_world_session(world, pair);
    calls.is_scripted = false;
    return pair[0];
}

static void join(struct relay_world *world, struct relay_line *line)
{
    line->client = start(world);
    line->server = relay_world_server(world, 0);
    line->session = relay_world_last_session(world);
    RUN_UNTIL(world, line->session->state == SESSION_RELAY);
}

/* The last byte of the address of the n-th bind. */
static unsigned bound(unsigned n)
{
    return ntohl(calls.bound[n].v4.s_addr) & 0xff;
}

/* Has a client refused and answers its record. */
static struct session_record refused(struct relay_world *world)
{
    int client = start(world);
    struct session_record record = relay_world_last_record(world);

    assert_int_equal(relay_world_end(world, client, 0, NULL), PEER_RESET);
    peer_close(&client);
    return record;
}

static void test_sessions_take_the_sources_in_turn(void **state)
{
    struct relay_world world;
    struct relay_line line;
    struct addr sources[SOURCES + 1];

    (void)state;
    open_with_sources(&world, sources);
    for (unsigned i = 0; i < SOURCES + 1; i++) {
        struct sockaddr_in peer;
        socklen_t length = sizeof(peer);

        join(&world, &line);
        assert_int_equal(calls.binds, i + 1);
        assert_int_equal(calls.bound[i].port, 0);
        assert_int_equal(getpeername(line.server, (struct sockaddr *)&peer, &length), 0);
        assert_int_equal(ntohl(peer.sin_addr.s_addr) & 0xff, bound(i));
        relay_world_part(&world, &line);
    }
    for (unsigned i = 0; i < SOURCES; i++)
        assert_int_equal(bound(i + 1), bound(i) % SOURCES + 1);
    relay_world_close(&world);
}

static void test_a_source_without_ports_makes_room_for_the_next(void **state)
{
    struct relay_world world;
    struct relay_line line;
    struct addr sources[SOURCES + 1];

    (void)state;
    open_with_sources(&world, sources);
    calls.connect_errnos[0] = EADDRNOTAVAIL; /* no port is free */
    calls.bind_errnos[1] = EADDRNOTAVAIL;    /* no interface has it */
    join(&world, &line);
    assert_int_equal(calls.binds, 3);
    assert_int_equal(bound(1), bound(0) % SOURCES + 1);
    assert_int_equal(bound(2), bound(1) % SOURCES + 1);
    relay_world_part(&world, &line);
    assert_int_equal(relay_world_record(&world).retries, 0);
    relay_world_close(&world);
}

static void test_three_sources_without_ports_are_enough(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct addr sources[SOURCES + 1];

    (void)state;
    open_with_sources(&world, sources);
    for (unsigned i = 0; i < CALLS_MAX; i++)
        calls.connect_errnos[i] = EADDRNOTAVAIL;
    record = refused(&world);
    assert_int_equal(record.reason, CLOSE_PORTS_EXHAUSTED);
    assert_int_equal(record.error, EADDRNOTAVAIL);
    assert_int_equal(calls.connects, 3);
    assert_int_equal(world.servers[0].failures, 0);
    relay_world_close(&world);
}

/* The same errno, but of the bind: something else is wrong. */
static void test_sources_that_are_not_there_are_told_apart(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct addr sources[SOURCES + 1];

    (void)state;
    open_with_sources(&world, sources);
    for (unsigned i = 0; i < CALLS_MAX; i++)
        calls.bind_errnos[i] = EADDRNOTAVAIL;
    record = refused(&world);
    assert_int_equal(record.reason, CLOSE_SOURCE_FAILED);
    assert_int_equal(record.error, EADDRNOTAVAIL);
    assert_int_equal(calls.binds, 3);
    assert_int_equal(calls.connects, 0);
    assert_int_equal(world.servers[0].failures, 0);

    /* One that is there and has no port left says more than two that are not. */
    mend(NULL);
    calls.bind_errnos[1] = EADDRNOTAVAIL;
    calls.bind_errnos[2] = EADDRNOTAVAIL;
    calls.connect_errnos[0] = EADDRNOTAVAIL;
    record = refused(&world);
    assert_int_equal(record.reason, CLOSE_PORTS_EXHAUSTED);
    relay_world_close(&world);
}

static void test_a_source_that_leads_nowhere_is_not_the_servers_fault(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct addr sources[SOURCES + 1];

    (void)state;
    open_with_sources(&world, sources);
    for (unsigned i = 0; i < CALLS_MAX; i++)
        calls.connect_errnos[i] = EINVAL;
    record = refused(&world);
    assert_int_equal(record.reason, CLOSE_SOURCE_FAILED);
    assert_int_equal(record.error, EINVAL);
    assert_int_equal(world.servers[0].failures, 0);
    relay_world_close(&world);
}

static void test_a_refusing_server_is_not_tried_from_everywhere(void **state)
{
    struct relay_world world;
    struct addr sources[SOURCES + 1];

    (void)state;
    open_with_sources(&world, sources);
    calls.connect_errnos[0] = ECONNREFUSED;
    assert_int_equal(refused(&world).reason, CLOSE_CONNECT_REFUSED);
    assert_int_equal(calls.connects, 1);
    relay_world_close(&world);
}

static void test_a_family_without_a_source_is_left_to_the_kernel(void **state)
{
    struct relay_world world;
    struct relay_line line;
    struct addr sources[SOURCES + 1];

    (void)state;
    open_with_sources(&world, sources);
    world.pool.options.sources = &sources[SOURCES];
    world.pool.options.source_count = 1;
    world.pool.options.source_v4_count = 0;
    join(&world, &line);
    assert_int_equal(calls.binds, 0);
    relay_world_part(&world, &line);
    relay_world_close(&world);
}

static void test_a_client_of_another_family_cannot_be_the_source(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct addr v6 = {.family = AF_INET6, .v6 = IN6ADDR_LOOPBACK_INIT};

    (void)state;
    memset(&world, 0, sizeof(world));
    relay_world_configure(&world, 1);
    world.pool.options.is_transparent = true;
    world.servers[0].addr = v6;
    relay_world_start(&world);
    record = refused(&world);
    assert_int_equal(record.reason, CLOSE_SOURCE_FAILED);
    assert_int_equal(record.error, EAFNOSUPPORT);
    relay_world_close(&world);
}

/* Original destinations */

static void open_original(struct relay_world *world)
{
    memset(world, 0, sizeof(*world));
    relay_world_configure(world, 1);
    world->pool.options.is_original = true;
    world->servers[0].is_original = true;
    world->servers[0].addr = (struct addr){.family = AF_UNSPEC};
    world->resources.own_connects = NULL;
    relay_world_start(world);
}

/* A client that has dialled the address on which server 0 listens; its session may be over. The
   first `failing` calls of socket(2) that the session makes fail. */
static int dial_and_fail(struct relay_world *world, struct addr *destination, int failing)
{
    struct sockaddr_in client;
    socklen_t length = sizeof(client);
    int pair[2];

    assert_true(socket_local_addr(world->server_fds[0], destination));
    pair[0] = tcp_connect(destination->port);
    pair[1] = relay_world_server(world, 0);
    assert_int_equal(getsockname(pair[0], (struct sockaddr *)&client, &length), 0);
    calls.failing_sockets = failing;
    calls.errno_of_socket = EMFILE;
    world->process_sessions++;
    world->worker_sessions++;
    world->listener.sessions++;
    snapshot_ref(&world->snapshot);
    struct addr addr;
    addr_from_sockaddr(&addr, (struct sockaddr *)&client, length);
    assert_true(session_start(&world->resources, &world->listener, pair[1], &addr, clock_now_us()));
    return pair[0];
}

static int dial(struct relay_world *world, struct addr *destination)
{
    return dial_and_fail(world, destination, 0);
}

static void test_an_original_server_is_where_the_client_wanted_to_go(void **state)
{
    struct relay_world world;
    struct relay_line line;
    struct session_record record;
    struct addr destination, source;
    char text[ADDR_TEXT_BYTES];

    (void)state;
    open_original(&world);
    world.resources.own_connects = own_connects_create();
    line.client = dial(&world, &destination);
    line.server = relay_world_server(&world, 0);
    line.session = relay_world_last_session(&world);
    RUN_UNTIL(&world, line.session->state == SESSION_RELAY);
    assert_true(socket_local_addr(line.session->conn[BACKEND].fd, &source));
    assert_true(own_connects_has(world.resources.own_connects, &source, &destination));
    relay_world_send(&world, line.client, 0, 1000);
    relay_world_receive(&world, line.server, 0, 1000);
    relay_world_part(&world, &line);
    assert_false(own_connects_has(world.resources.own_connects, &source, &destination));
    record = relay_world_record(&world);
    assert_string_equal(record.server, "s0");
    assert_string_equal(record.server_addr, addr_text(&destination, text));
    own_connects_destroy(world.resources.own_connects);
    relay_world_close(&world);
}

static void test_a_client_that_dialled_culvert_itself_is_refused(void **state)
{
    struct relay_world world;
    struct session_record record;
    struct addr destination;
    char text[ADDR_TEXT_BYTES];
    int client;

    (void)state;
    open_original(&world);
    assert_true(socket_local_addr(world.server_fds[0], &destination));
    world.resources.listening = &destination;
    world.resources.listening_count = 1;
    client = dial(&world, &destination);
    record = relay_world_last_record(&world);
    assert_int_equal(record.reason, CLOSE_LOOP);
    assert_string_equal(record.server_addr, addr_text(&destination, text));
    assert_int_equal(record.retries, 0);
    assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
    peer_close(&client);
    relay_world_close(&world);
}

/* Whether the destination is an address of this machine is asked with a socket. */
static void test_the_want_of_a_descriptor_is_not_told_as_a_loop(void **state)
{
    static const struct {
        bool has_slack;
        enum close_reason reason;
        int error;
    } cases[] = {{false, CLOSE_NO_RESOURCES, EMFILE}, {true, CLOSE_LOOP, 0}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct relay_world world;
        struct session_record record;
        struct addr everywhere = {.family = AF_INET};
        struct addr destination;
        int client;

        open_original(&world);
        assert_true(socket_local_addr(world.server_fds[0], &destination));
        everywhere.port = destination.port;
        world.resources.listening = &everywhere;
        world.resources.listening_count = 1;
        if (cases[i].has_slack)
            assert_true(relay_take_slack(&world.resources));
        else
            (void)relay_give_up_slack(&world.resources);
        client = dial_and_fail(&world, &destination, 1);
        record = relay_world_last_record(&world);
        assert_int_equal(record.reason, cases[i].reason);
        assert_int_equal(record.error, cases[i].error);
        assert_int_equal(calls.failing_sockets, 0);
        assert_int_equal(relay_world_end(&world, client, 0, NULL), PEER_RESET);
        peer_close(&client);
        relay_world_close(&world);
    }
}

static void test_a_connection_of_our_own_that_came_back_is_refused(void **state)
{
    struct relay_world world;
    struct addr destination;
    int first, second, inner;

    (void)state;
    open_original(&world);
    world.resources.own_connects = own_connects_create();
    first = dial(&world, &destination);
    /* The session's connect arrives where culvert listens, by a rule that redirects it. */
    inner = relay_world_server(&world, 0);
    {
        struct sockaddr_in peer;
        socklen_t length = sizeof(peer);
        struct addr addr;

        assert_int_equal(getpeername(inner, (struct sockaddr *)&peer, &length), 0);
        addr_from_sockaddr(&addr, (struct sockaddr *)&peer, length);
        world.process_sessions++;
        world.worker_sessions++;
        world.listener.sessions++;
        snapshot_ref(&world.snapshot);
        assert_true(session_start(&world.resources, &world.listener, inner, &addr, clock_now_us()));
    }
    assert_int_equal(relay_world_record(&world).reason, CLOSE_LOOP);
    assert_int_equal(relay_world_last_record(&world).reason, CLOSE_SERVER_RESET);
    assert_int_equal(relay_world_end(&world, first, 0, NULL), PEER_RESET);
    peer_close(&first);
    second = -1;
    assert_false(relay_world_try_accept(&world, 0, &second));
    own_connects_destroy(world.resources.own_connects);
    relay_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_unix_server_is_connected_at_once),
        cmocka_unit_test(test_a_builtin_server_answers),
        cmocka_unit_test_teardown(test_the_slack_serves_when_descriptors_run_out, mend),
        cmocka_unit_test_teardown(test_sessions_take_the_sources_in_turn, mend),
        cmocka_unit_test_teardown(test_a_source_without_ports_makes_room_for_the_next, mend),
        cmocka_unit_test_teardown(test_three_sources_without_ports_are_enough, mend),
        cmocka_unit_test_teardown(test_sources_that_are_not_there_are_told_apart, mend),
        cmocka_unit_test_teardown(test_a_source_that_leads_nowhere_is_not_the_servers_fault, mend),
        cmocka_unit_test_teardown(test_a_refusing_server_is_not_tried_from_everywhere, mend),
        cmocka_unit_test_teardown(test_a_family_without_a_source_is_left_to_the_kernel, mend),
        cmocka_unit_test(test_a_client_of_another_family_cannot_be_the_source),
        cmocka_unit_test(test_an_original_server_is_where_the_client_wanted_to_go),
        cmocka_unit_test(test_a_client_that_dialled_culvert_itself_is_refused),
        cmocka_unit_test_teardown(test_the_want_of_a_descriptor_is_not_told_as_a_loop, mend),
        cmocka_unit_test(test_a_connection_of_our_own_that_came_back_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
