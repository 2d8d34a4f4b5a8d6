/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_worker_group.c - all sockets or none, real ports, sessions through all workers, drain, cut.
 */
#include "daemon/worker_group.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/log.h"

#define DEADLINE_MS 20000

static struct config *config;
static struct snapshot *snapshot;
static struct logger *logger;
static struct budget budget;
static struct error error;

/* Two workers, with these sections. */
static void prepare(const char *ini)
{
    const char *overrides[] = {"culvert.workers=2", "log.output=/dev/null"};
    struct config_sources sources = {.quick_ini = ini, .overrides = overrides, .override_count = 2};

    config = config_load(&sources, true);
    assert_non_null(config);
    if (!config_is_valid(config))
        config_print_diagnostics(config, stderr, false, false, false);
    assert_true(config_is_valid(config));
    snapshot = config_snapshot(config);
    assert_non_null(snapshot);
    config_budget(snapshot, 1000, 8, &budget);
    logger = logger_create(&snapshot->process, 3, &error);
    assert_non_null(logger);
}

static int clean_up(void **state)
{
    (void)state;
    logger_destroy(logger);
    snapshot_unref(snapshot);
    config_destroy(config);
    logger = NULL;
    snapshot = NULL;
    config = NULL;
    return 0;
}

static int connect_to(const struct addr *addr)
{
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(addr, &storage);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd != -1);
    if (connect(fd, (struct sockaddr *)&storage, length) == 0)
        return fd;
    close(fd);
    return -1;
}

static void wait_for_sessions(const struct worker_group *group, int count)
{
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;

    while (worker_group_sessions(group) != count) {
        assert_true(clock_now_ms() < deadline_ms);
        poll(NULL, 0, 2);
    }
}

static void expect_echo(int fd)
{
    char byte = 0;

    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'x');
}

static void test_it_relays_and_stops(void **state)
{
    struct worker_group *group;
    const struct bound_addr *bound;
    unsigned stuck;
    unsigned count;
    int clients[8];

    (void)state;
    prepare("[listen main]\nbind = 127.0.0.1:0\nbind = [::1]:0\nserver = builtin:echo\n");
    group = worker_group_open(snapshot, &budget, logger, &error);
    assert_non_null(group);
    bound = worker_group_bound(group, &count);
    assert_int_equal(count, 2);
    assert_int_not_equal(bound[0].addr.port, 0);
    assert_int_equal(bound[1].addr.family, AF_INET6);
    assert_int_equal(worker_group_shared(group)->worker_count, 2);
    assert_true(worker_group_start(group, &error));
    for (int i = 0; i < 8; i++) {
        clients[i] = connect_to(&bound[i % 2].addr);
        assert_true(clients[i] != -1);
        expect_echo(clients[i]);
    }
    assert_int_equal(worker_group_sessions(group), 8);
    assert_true(worker_group_stop(group, &stuck));
    assert_int_equal(worker_group_sessions(group), 0);
    for (int i = 0; i < 8; i++) {
        char byte;

        assert_int_equal(read(clients[i], &byte, 1), -1); /* a reset: not the server's end */
        close(clients[i]);
    }
    worker_group_close(group);
}

static void test_a_drain_refuses_new_clients_and_keeps_the_old(void **state)
{
    struct worker_group *group;
    struct addr addr;
    unsigned count;
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;
    int client;
    int other;

    (void)state;
    prepare("[listen main]\nbind = 127.0.0.1:0\nserver = builtin:echo\n");
    group = worker_group_open(snapshot, &budget, logger, &error);
    assert_non_null(group);
    assert_true(worker_group_start(group, &error));
    addr = worker_group_bound(group, &count)[0].addr;
    client = connect_to(&addr);
    expect_echo(client);
    close(client);
    wait_for_sessions(group, 0);
    assert_int_equal(worker_group_unfinished(group), 1); /* its queues may have some */
    client = connect_to(&addr);
    expect_echo(client);
    worker_group_drain(group);
    while ((other = connect_to(&addr)) != -1) {
        close(other);
        assert_true(clock_now_ms() < deadline_ms);
    }
    wait_for_sessions(group, 1);
    expect_echo(client);
    close(client);
    wait_for_sessions(group, 0);
    assert_int_equal(worker_group_unfinished(group), 0);
    worker_group_close(group);
}

static void test_a_cut_ends_no_more_than_asked(void **state)
{
    struct worker_group *group;
    struct addr addr;
    unsigned count;
    int clients[6];

    (void)state;
    prepare("[listen main]\nbind = 127.0.0.1:0\nserver = builtin:echo\n");
    group = worker_group_open(snapshot, &budget, logger, &error);
    assert_non_null(group);
    assert_true(worker_group_start(group, &error));
    addr = worker_group_bound(group, &count)[0].addr;
    for (int i = 0; i < 6; i++) {
        clients[i] = connect_to(&addr);
        expect_echo(clients[i]);
    }
    worker_group_cut(group, 4);
    wait_for_sessions(group, 2);
    worker_group_cut(group, 100);
    wait_for_sessions(group, 0);
    for (int i = 0; i < 6; i++)
        close(clients[i]);
    worker_group_close(group);
}

static void test_a_busy_address_leaves_nothing_open(void **state)
{
    struct sockaddr_in sockaddr = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(sockaddr);
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char path[64];
    char ini[256];
    int before = dup(STDIN_FILENO);
    int after;

    (void)state;
    close(before);
    assert_int_equal(bind(taken, (struct sockaddr *)&sockaddr, sizeof(sockaddr)), 0);
    assert_int_equal(listen(taken, 1), 0);
    assert_int_equal(getsockname(taken, (struct sockaddr *)&sockaddr, &length), 0);
    snprintf(path, sizeof(path), "/tmp/culvert-group-%d", (int)getpid());
    snprintf(ini, sizeof(ini),
             "[listen main]\nbind = 127.0.0.1:0 unix:%s 127.0.0.1:%d\nserver = builtin:echo\n",
             path, ntohs(sockaddr.sin_port));
    prepare(ini);
    assert_null(worker_group_open(snapshot, &budget, logger, &error));
    assert_int_equal(error.exit_code, EX_UNAVAILABLE);
    assert_non_null(strstr(error.text, "[listen main]"));
    assert_non_null(strstr(error.text, "127.0.0.1:"));
    assert_int_equal(access(path, F_OK), -1);
    clean_up(NULL);
    after = dup(STDIN_FILENO);
    close(after);
    assert_int_equal(after, before); /* the same lowest free descriptor */
    close(taken);
}

static void test_a_unix_socket_is_removed_at_the_end(void **state)
{
    struct worker_group *group;
    char path[64];
    char ini[256];
    unsigned count;
    int client;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/culvert-group-%d", (int)getpid());
    snprintf(ini, sizeof(ini), "[listen main]\nbind = unix:%s\nserver = builtin:echo\n", path);
    prepare(ini);
    group = worker_group_open(snapshot, &budget, logger, &error);
    assert_non_null(group);
    assert_true(worker_group_start(group, &error));
    client = connect_to(&worker_group_bound(group, &count)[0].addr);
    assert_true(client != -1);
    expect_echo(client);
    close(client);
    worker_group_close(group);
    assert_int_equal(access(path, F_OK), -1);
}

static int ignore_sigpipe(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

#define TEST(function) cmocka_unit_test_teardown(function, clean_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_it_relays_and_stops),
        TEST(test_a_drain_refuses_new_clients_and_keeps_the_old),
        TEST(test_a_cut_ends_no_more_than_asked),
        TEST(test_a_busy_address_leaves_nothing_open),
        TEST(test_a_unix_socket_is_removed_at_the_end),
    };

    return cmocka_run_group_tests(tests, ignore_sigpipe, NULL);
}
