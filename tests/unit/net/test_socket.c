/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_socket.c - listening and connecting sockets on loopback and in a temporary folder.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/socket.h"

#define DEADLINE_MS 30000
#define NOBODY 65534
#define FOREIGN_GROUP 54321
#define LISTEN_ROUNDS 300
#define RACE_ROUNDS 20
#define RACERS 4

static char folder[] = "/tmp/culvert-test-socket-XXXXXX";
static char socket_path[64];

static const struct listen_options plain = {
    .backlog = 16,
    .socket_mode = 0600,
    .socket_group = (gid_t)-1,
};

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(socket_path, sizeof(socket_path), "%s/s", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static struct addr loopback(uint16_t port)
{
    struct addr addr = {.family = AF_INET, .port = port};

    addr.v4.s_addr = htonl(INADDR_LOOPBACK);
    return addr;
}

static struct addr unix_addr(const char *path)
{
    return (struct addr){.family = AF_UNIX, .path = path};
}

static int get_option(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);

    assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

static int accept_one(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&poll_fd, 1, DEADLINE_MS), 1);
    return accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* A connected client socket with `options`, by way of a finished connect. */
static int connect_to(const struct addr *addr, const struct socket_options *options)
{
    int fd = socket_open(addr, options);
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int answer;

    assert_int_not_equal(fd, -1);
    answer = socket_connect(fd, addr);
    assert_true(answer == 0 || answer == EINPROGRESS);
    assert_int_equal(poll(&poll_fd, 1, DEADLINE_MS), 1);
    assert_int_equal(get_option(fd, SOL_SOCKET, SO_ERROR), 0);
    return fd;
}

static void close_all(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        if (fds[i] != -1)
            close(fds[i]);
    }
}

static void test_listen_opens_one_socket_per_worker_on_one_port(void **state)
{
    struct addr addr = loopback(0);
    struct error error = {0};
    int fds[4];
    uint16_t port = 0;

    (void)state;
    assert_true(socket_listen(&addr, &plain, fds, 4, &error));
    for (int i = 0; i < 4; i++) {
        struct addr bound;

        assert_true(socket_local_addr(fds[i], &bound));
        if (i == 0)
            port = bound.port;
        assert_int_not_equal(bound.port, 0);
        assert_int_equal(bound.port, port);
        assert_int_equal(get_option(fds[i], SOL_SOCKET, SO_ACCEPTCONN), 1);
        assert_true((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
        assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
    }
    close_all(fds, 4);
}

static void test_listen_finds_a_busy_address_although_workers_share_it(void **state)
{
    struct addr addr = loopback(0);
    struct error error = {0};
    int fds[2];
    int more[2];

    (void)state;
    assert_true(socket_listen(&addr, &plain, fds, 2, &error));
    assert_true(socket_local_addr(fds[0], &addr));
    assert_false(socket_listen(&addr, &plain, more, 2, &error));
    assert_int_equal(error.exit_code, EX_UNAVAILABLE);
    assert_contains(error.text, "cannot listen on 127.0.0.1:");
    assert_contains(error.text, "in use");
    assert_int_equal(more[0], -1);
    assert_int_equal(more[1], -1);
    close_all(fds, 2);
    /* And it is free again. */
    assert_true(socket_listen(&addr, &plain, fds, 2, &error));
    close_all(fds, 2);
}

static void test_listen_lets_others_in_with_reuse_port(void **state)
{
    struct addr addr = loopback(0);
    struct listen_options shared = plain;
    struct error error = {0};
    int fds[1];
    int more[2];

    (void)state;
    shared.reuse_port = true;
    assert_true(socket_listen(&addr, &shared, fds, 1, &error));
    assert_true(socket_local_addr(fds[0], &addr));
    assert_true(socket_listen(&addr, &shared, more, 2, &error));
    close_all(fds, 1);
    close_all(more, 2);
}

static void test_listen_finds_a_socket_of_a_program_without_reuse_port(void **state)
{
    struct addr addr = loopback(0);
    struct listen_options shared = plain;
    struct error error = {0};
    int fds[1];
    int more[1];

    (void)state;
    assert_true(socket_listen(&addr, &plain, fds, 1, &error));
    assert_true(socket_local_addr(fds[0], &addr));
    shared.reuse_port = true;
    assert_false(socket_listen(&addr, &shared, more, 1, &error));
    assert_contains(error.text, "SO_REUSEPORT");
    close_all(fds, 1);
}

static void test_listen_explains_an_address_of_no_interface(void **state)
{
    struct addr addr = {.family = AF_INET, .port = 0};
    struct listen_options free_bind = plain;
    struct error error = {0};
    int fds[1];

    (void)state;
    assert_int_equal(inet_pton(AF_INET, "192.0.2.1", &addr.v4), 1);
    assert_false(socket_listen(&addr, &plain, fds, 1, &error));
    assert_int_equal(error.exit_code, EX_UNAVAILABLE);
    assert_contains(error.text, "freebind");
    free_bind.freebind = true;
    assert_true(socket_listen(&addr, &free_bind, fds, 1, &error));
    close_all(fds, 1);
}

static void test_listen_explains_missing_descriptors_and_leaves_none_open(void **state)
{
    struct addr addr = loopback(0);
    struct error error = {0};
    struct rlimit old;
    struct rlimit tight;
    int fds[8];
    int probe = dup(0);
    int after;
    bool is_open;

    (void)state;
    close(probe);
    getrlimit(RLIMIT_NOFILE, &old);
    tight = old;
    tight.rlim_cur = (rlim_t)probe + 3;
    setrlimit(RLIMIT_NOFILE, &tight);
    is_open = socket_listen(&addr, &plain, fds, 8, &error);
    setrlimit(RLIMIT_NOFILE, &old);
    after = dup(0);
    close(after);
    assert_false(is_open);
    assert_contains(error.text, "RLIMIT_NOFILE");
    assert_int_equal(after, probe);
}

static void test_listen_on_v6_wildcard_serves_both_families_unless_told_not_to(void **state)
{
    struct addr any = {.family = AF_INET6};
    struct listen_options only = plain;
    struct error error = {0};
    struct addr client;
    int fds[1];
    int fd;

    (void)state;
    only.v6_only = true;
    if (!socket_listen(&any, &only, fds, 1, &error))
        skip(); /* no IPv6 here */
    assert_true(socket_local_addr(fds[0], &client));
    client = loopback(client.port);
    fd = socket_open(&client, &plain.socket);
    {
        struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
        int answer = socket_connect(fd, &client);

        if (answer == EINPROGRESS) {
            assert_int_equal(poll(&poll_fd, 1, DEADLINE_MS), 1);
            answer = get_option(fd, SOL_SOCKET, SO_ERROR);
        }
        assert_int_equal(answer, ECONNREFUSED);
    }
    close(fd);
    close_all(fds, 1);

    assert_true(socket_listen(&any, &plain, fds, 1, &error));
    assert_true(socket_local_addr(fds[0], &client));
    client = loopback(client.port);
    fd = connect_to(&client, &plain.socket);
    close(fd);
    close_all(fds, 1);
}

static void test_accepted_sockets_inherit_the_options_of_the_listener(void **state)
{
    struct addr addr = loopback(0);
    struct listen_options options = plain;
    struct error error = {0};
    int fds[1];
    int client;
    int fd;

    (void)state;
    options.socket = (struct socket_options){
        .nodelay = true,
        .keepalive_ms = 60001,
        .keepalive_interval_ms = 10000,
        .keepalive_probes = 6,
        .user_timeout_ms = 120000,
    };
    assert_true(socket_listen(&addr, &options, fds, 1, &error));
    assert_true(socket_local_addr(fds[0], &addr));
    client = connect_to(&addr, &plain.socket);
    fd = accept_one(fds[0]);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(get_option(fd, SOL_SOCKET, SO_OOBINLINE), 1);
    assert_int_equal(get_option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 61);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_KEEPCNT), 6);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 120000);
    close(fd);
    close(client);
    close_all(fds, 1);
}

static void test_open_applies_what_is_asked_for_and_nothing_else(void **state)
{
    struct addr addr = loopback(1);
    struct socket_options options = {
        .nodelay = true,
        .keepalive_ms = 1,
        .keepalive_interval_ms = 2500,
        .keepalive_probes = 500,
        .send_buffer = 50000,
        .receive_buffer = 60000,
    };
    struct socket_options none = {0};
    int fd = socket_open(&addr, &options);
    int bare = socket_open(&addr, &none);

    (void)state;
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(get_option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    socket_guard(fd, &options);
    assert_int_equal(get_option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 1);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 3);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_KEEPCNT), 127);
    assert_int_equal(get_option(fd, SOL_SOCKET, SO_SNDBUF), 100000);
    assert_int_equal(get_option(fd, SOL_SOCKET, SO_RCVBUF), 120000);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);

    assert_int_equal(get_option(bare, SOL_SOCKET, SO_OOBINLINE), 1);
    assert_int_equal(get_option(bare, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(get_option(bare, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(get_option(bare, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    close(fd);
    close(bare);
}

static void test_connect_tells_the_errno(void **state)
{
    struct addr missing = unix_addr("/nonexistent/socket");
    struct addr unset = {0};
    int fd = socket_open(&missing, &plain.socket);

    (void)state;
    assert_int_equal(socket_connect(fd, &missing), ENOENT);
    assert_int_equal(socket_connect(fd, &unset), EAFNOSUPPORT);
    close(fd);
}

static void test_reset_close_is_a_reset_at_the_other_end(void **state)
{
    struct addr addr = loopback(0);
    struct error error = {0};
    int fds[1];
    int client;
    int fd;
    char byte;

    (void)state;
    assert_true(socket_listen(&addr, &plain, fds, 1, &error));
    assert_true(socket_local_addr(fds[0], &addr));
    client = connect_to(&addr, &plain.socket);
    fd = accept_one(fds[0]);
    socket_reset_close(fd);
    {
        struct pollfd poll_fd = {.fd = client, .events = POLLIN};

        assert_int_equal(poll(&poll_fd, 1, DEADLINE_MS), 1);
    }
    assert_int_equal(recv(client, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(client);
    close_all(fds, 1);
}

static void test_unacknowledged_counts_what_a_full_window_keeps_back(void **state)
{
    struct addr addr = loopback(0);
    struct error error = {0};
    static char block[65536];
    int fds[1];
    int client;
    int fd;
    ssize_t n;

    (void)state;
    assert_true(socket_listen(&addr, &plain, fds, 1, &error));
    assert_true(socket_local_addr(fds[0], &addr));
    client = connect_to(&addr, &plain.socket);
    fd = accept_one(fds[0]);
    assert_int_equal(socket_unacknowledged(client), 0);
    do {
        n = send(client, block, sizeof(block), MSG_NOSIGNAL);
    } while (n > 0);
    assert_true(socket_unacknowledged(client) > 0);
    assert_int_equal(socket_unacknowledged(-1), 0);
    close(fd);
    close(client);
    close_all(fds, 1);
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

static void test_unix_listener_has_the_mode_asked_for_whatever_the_umask(void **state)
{
    struct addr addr = unix_addr(socket_path);
    struct listen_options options = plain;
    struct error error = {0};
    mode_t old = umask(0);
    int fds[3];

    (void)state;
    options.socket_mode = 0600;
    assert_true(socket_listen(&addr, &options, fds, 3, &error));
    assert_int_equal(mode_of(socket_path), 0600);
    assert_int_equal(fds[1], -1);
    assert_int_equal(fds[2], -1);
    close_all(fds, 3);
    socket_unlink(&addr);
    assert_int_equal(access(socket_path, F_OK), -1);

    umask(077);
    options.socket_mode = 0666;
    assert_true(socket_listen(&addr, &options, fds, 1, &error));
    assert_int_equal(mode_of(socket_path), 0666);
    close_all(fds, 1);
    socket_unlink(&addr);
    umask(old);
}

static void test_unix_listener_serves_a_client(void **state)
{
    struct addr addr = unix_addr(socket_path);
    struct error error = {0};
    int fds[1];
    int client;
    int fd;

    (void)state;
    assert_true(socket_listen(&addr, &plain, fds, 1, &error));
    client = socket_open(&addr, &plain.socket);
    assert_int_equal(socket_connect(client, &addr), 0);
    fd = accept_one(fds[0]);
    assert_int_not_equal(fd, -1);
    close(fd);
    close(client);
    close_all(fds, 1);
    socket_unlink(&addr);
}

static void test_unix_listener_replaces_a_stale_socket(void **state)
{
    struct addr addr = unix_addr(socket_path);
    struct error error = {0};
    int fds[1];

    (void)state;
    assert_true(socket_listen(&addr, &plain, fds, 1, &error));
    close_all(fds, 1); /* as after kill -9: the file stays */
    assert_int_equal(access(socket_path, F_OK), 0);
    assert_true(socket_listen(&addr, &plain, fds, 1, &error));
    close_all(fds, 1);
    socket_unlink(&addr);
}

static void test_unix_listener_leaves_a_live_socket_alone(void **state)
{
    struct addr addr = unix_addr(socket_path);
    struct error error = {0};
    int fds[1];
    int more[1];
    int client;

    (void)state;
    assert_true(socket_listen(&addr, &plain, fds, 1, &error));
    assert_false(socket_listen(&addr, &plain, more, 1, &error));
    assert_int_equal(error.exit_code, EX_UNAVAILABLE);
    assert_contains(error.text, "another process listens there");
    assert_contains(error.text, socket_path);
    socket_unlink(&addr); /* neither does the removal */
    client = socket_open(&addr, &plain.socket);
    assert_int_equal(socket_connect(client, &addr), 0);
    close(client);
    close_all(fds, 1);
    socket_unlink(&addr);
}

static void test_unix_listener_leaves_a_live_socket_with_a_full_backlog_alone(void **state)
{
    struct addr addr = unix_addr(socket_path);
    struct listen_options options = plain;
    struct error error = {0};
    int clients[4];
    int fds[1];
    int more[1];

    (void)state;
    options.backlog = 1;
    assert_true(socket_listen(&addr, &options, fds, 1, &error));
    for (int i = 0; i < 4; i++) {
        clients[i] = socket_open(&addr, &plain.socket);
        (void)!socket_connect(clients[i], &addr);
    }
    assert_false(socket_listen(&addr, &options, more, 1, &error));
    assert_contains(error.text, "another process listens there");
    close_all(clients, 4);
    close_all(fds, 1);
    socket_unlink(&addr);
}

static void test_unix_listener_leaves_a_datagram_socket_alone(void **state)
{
    struct addr addr = unix_addr(socket_path);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct error error = {0};
    int datagram = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int fds[1];

    (void)state;
    strcpy(un.sun_path, socket_path);
    assert_int_equal(bind(datagram, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_false(socket_listen(&addr, &plain, fds, 1, &error));
    assert_contains(error.text, "another process");
    close(datagram);
    unlink(socket_path);
}

static void test_unix_listener_never_removes_another_kind_of_file(void **state)
{
    struct addr addr = unix_addr(socket_path);
    struct error error = {0};
    char target[80];
    int fd = open(socket_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    int fds[1];

    (void)state;
    close(fd);
    assert_false(socket_listen(&addr, &plain, fds, 1, &error));
    assert_int_equal(error.exit_code, EX_UNAVAILABLE);
    assert_contains(error.text, "no socket");
    socket_unlink(&addr);
    assert_int_equal(access(socket_path, F_OK), 0);
    unlink(socket_path);

    /* Not through a link either, even one that leads to a stale socket. */
    snprintf(target, sizeof(target), "%s/target", folder);
    addr = unix_addr(target);
    assert_true(socket_listen(&addr, &plain, fds, 1, &error));
    close_all(fds, 1);
    assert_int_equal(symlink(target, socket_path), 0);
    addr = unix_addr(socket_path);
    assert_false(socket_listen(&addr, &plain, fds, 1, &error));
    assert_contains(error.text, "symbolic link");
    socket_unlink(&addr);
    assert_int_equal(access(target, F_OK), 0);
    unlink(socket_path);
    unlink(target);
}

static void test_unix_listener_explains_a_missing_directory_and_a_long_path(void **state)
{
    struct addr addr = unix_addr("/nonexistent/folder/s");
    struct error error = {0};
    char path[ADDR_PATH_MAX + 2];
    int fds[1];

    (void)state;
    assert_false(socket_listen(&addr, &plain, fds, 1, &error));
    assert_int_equal(error.exit_code, EX_UNAVAILABLE);
    assert_contains(error.text, "directory does not exist");

    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    addr = unix_addr(path);
    assert_false(socket_listen(&addr, &plain, fds, 1, &error));
    assert_contains(error.text, "107");
    addr = unix_addr("");
    assert_false(socket_listen(&addr, &plain, fds, 1, &error));
    addr = unix_addr(NULL);
    assert_false(socket_listen(&addr, &plain, fds, 1, &error));
}

/* Runs as an ordinary user for a while: as `nobody` when the test was started by root. */
static void lower_privileges(mode_t folder_mode)
{
    assert_int_equal(chmod(folder, folder_mode), 0);
    if (geteuid() == 0)
        assert_int_equal(seteuid(NOBODY), 0);
}

static void restore_privileges(void)
{
    assert_int_equal(seteuid(getuid()), 0);
    assert_int_equal(chmod(folder, 0700), 0);
}

static void test_unix_listener_removes_its_file_when_the_group_cannot_be_set(void **state)
{
    struct addr addr = unix_addr(socket_path);
    struct listen_options options = plain;
    struct error error = {0};
    bool is_open;
    int fds[1];

    (void)state;
    options.socket_group = FOREIGN_GROUP;
    lower_privileges(0777);
    is_open = socket_listen(&addr, &options, fds, 1, &error);
    restore_privileges();
    assert_false(is_open);
    assert_int_equal(error.exit_code, EX_NOPERM);
    assert_contains(error.text, "group");
    assert_int_equal(access(socket_path, F_OK), -1);
}

static void test_unix_listener_explains_a_directory_it_may_not_write(void **state)
{
    struct addr addr = unix_addr(socket_path);
    struct error error = {0};
    bool is_open;
    int fds[1];

    (void)state;
    lower_privileges(0555);
    is_open = socket_listen(&addr, &plain, fds, 1, &error);
    restore_privileges();
    assert_false(is_open);
    assert_int_equal(error.exit_code, EX_NOPERM);
    assert_contains(error.text, "no permission");
}

static int unprivileged_port_start(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    int port = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%d", &port) != 1)
        port = 0;
    fclose(file);
    return port;
}

static void test_listen_explains_a_low_port(void **state)
{
    struct addr addr = loopback(9);
    struct error error = {0};
    bool is_open;
    int fds[2];

    (void)state;
    if (unprivileged_port_start() <= addr.port)
        skip(); /* here every user may */
    lower_privileges(0777);
    is_open = socket_listen(&addr, &plain, fds, 2, &error);
    restore_privileges();
    assert_false(is_open);
    assert_int_equal(error.exit_code, EX_NOPERM);
    assert_contains(error.text, "CAP_NET_BIND_SERVICE");
    assert_contains(error.text, "ip_unprivileged_port_start=9");
}

/* In a child: dials until `stop` is closed, and exits with 1 if it ever got through. */
static void dial_as_nobody(int stop)
{
    struct addr addr = unix_addr(socket_path);
    struct pollfd poll_fd = {.fd = stop, .events = POLLIN};
    int status = 0;

    if (setgid(NOBODY) == -1 || setuid(NOBODY) == -1)
        _exit(2);
    while (poll(&poll_fd, 1, 0) == 0) {
        int fd = socket_open(&addr, &plain.socket);

        if (fd != -1) {
            if (socket_connect(fd, &addr) == 0)
                status = 1;
            close(fd);
        }
    }
    _exit(status);
}

static void test_unix_listener_has_no_moment_in_which_others_may_connect(void **state)
{
    struct addr addr = unix_addr(socket_path);
    struct error error = {0};
    mode_t old;
    pid_t child;
    int stop[2];
    int status;

    (void)state;
    if (geteuid() != 0)
        skip(); /* needs a second user */
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
    child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        close(stop[1]);
        dial_as_nobody(stop[0]);
    }
    close(stop[0]);
    old = umask(0);
    for (int i = 0; i < LISTEN_ROUNDS; i++) {
        int fds[1];

        assert_true(socket_listen(&addr, &plain, fds, 1, &error));
        close(fds[0]);
        socket_unlink(&addr);
    }
    umask(old);
    close(stop[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a child: waits for `go` to be closed, listens, reports, and holds on until `stop` is. */
static void race_to_listen(int go, int report, int stop)
{
    struct addr addr = unix_addr(socket_path);
    struct error error = {0};
    char byte;
    int fds[1];

    (void)!read(go, &byte, 1);
    byte = socket_listen(&addr, &plain, fds, 1, &error) ? 'w' : 'l';
    (void)!write(report, &byte, 1);
    (void)!read(stop, &byte, 1);
    _exit(0);
}

static void test_one_of_many_replaces_a_stale_socket(void **state)
{
    struct addr addr = unix_addr(socket_path);

    (void)state;
    for (int round = 0; round < RACE_ROUNDS; round++) {
        struct error error = {0};
        pid_t children[RACERS];
        int winners = 0;
        int fds[1];
        int go[2];
        int report[2];
        int stop[2];
        int client;

        assert_true(socket_listen(&addr, &plain, fds, 1, &error));
        close(fds[0]); /* stale from here on */
        assert_int_equal(pipe2(go, O_CLOEXEC), 0);
        assert_int_equal(pipe2(report, O_CLOEXEC), 0);
        assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
        for (int i = 0; i < RACERS; i++) {
            children[i] = fork();
            assert_int_not_equal(children[i], -1);
            if (children[i] == 0) {
                close(go[1]);
                close(stop[1]);
                race_to_listen(go[0], report[1], stop[0]);
            }
        }
        close(go[1]);
        for (int i = 0; i < RACERS; i++) {
            char byte = 0;

            assert_int_equal(read(report[0], &byte, 1), 1);
            winners += byte == 'w';
        }
        /* The winner is the one behind the path. */
        client = socket_open(&addr, &plain.socket);
        assert_int_equal(socket_connect(client, &addr), 0);
        close(client);
        close(stop[1]);
        for (int i = 0; i < RACERS; i++)
            assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
        assert_int_equal(winners, 1);
        close(go[0]);
        close(report[0]);
        close(report[1]);
        close(stop[0]);
        socket_unlink(&addr);
    }
}

static void test_abstract_listener_needs_no_file(void **state)
{
    char name[64];
    struct addr addr = {.family = AF_UNIX, .is_abstract = true, .path = name};
    struct error error = {0};
    int fds[1];
    int more[1];
    int client;

    (void)state;
    snprintf(name, sizeof(name), "culvert-test-%ld", (long)getpid());
    assert_true(socket_listen(&addr, &plain, fds, 1, &error));
    assert_false(socket_listen(&addr, &plain, more, 1, &error));
    assert_contains(error.text, "unix:@culvert-test-");
    client = socket_open(&addr, &plain.socket);
    assert_int_equal(socket_connect(client, &addr), 0);
    close(client);
    socket_unlink(&addr);
    close_all(fds, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listen_opens_one_socket_per_worker_on_one_port),
        cmocka_unit_test(test_listen_finds_a_busy_address_although_workers_share_it),
        cmocka_unit_test(test_listen_lets_others_in_with_reuse_port),
        cmocka_unit_test(test_listen_finds_a_socket_of_a_program_without_reuse_port),
        cmocka_unit_test(test_listen_explains_an_address_of_no_interface),
        cmocka_unit_test(test_listen_explains_missing_descriptors_and_leaves_none_open),
        cmocka_unit_test(test_listen_on_v6_wildcard_serves_both_families_unless_told_not_to),
        cmocka_unit_test(test_accepted_sockets_inherit_the_options_of_the_listener),
        cmocka_unit_test(test_open_applies_what_is_asked_for_and_nothing_else),
        cmocka_unit_test(test_connect_tells_the_errno),
        cmocka_unit_test(test_reset_close_is_a_reset_at_the_other_end),
        cmocka_unit_test(test_unacknowledged_counts_what_a_full_window_keeps_back),
        cmocka_unit_test(test_unix_listener_has_the_mode_asked_for_whatever_the_umask),
        cmocka_unit_test(test_unix_listener_serves_a_client),
        cmocka_unit_test(test_unix_listener_replaces_a_stale_socket),
        cmocka_unit_test(test_unix_listener_leaves_a_live_socket_alone),
        cmocka_unit_test(test_unix_listener_leaves_a_live_socket_with_a_full_backlog_alone),
        cmocka_unit_test(test_unix_listener_leaves_a_datagram_socket_alone),
        cmocka_unit_test(test_unix_listener_never_removes_another_kind_of_file),
        cmocka_unit_test(test_unix_listener_explains_a_missing_directory_and_a_long_path),
        cmocka_unit_test(test_unix_listener_removes_its_file_when_the_group_cannot_be_set),
        cmocka_unit_test(test_unix_listener_explains_a_directory_it_may_not_write),
        cmocka_unit_test(test_unix_listener_has_no_moment_in_which_others_may_connect),
        cmocka_unit_test(test_one_of_many_replaces_a_stale_socket),
        cmocka_unit_test(test_listen_explains_a_low_port),
        cmocka_unit_test(test_abstract_listener_needs_no_file),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
