/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_daemon.c - the process as a whole, in children: how it starts, what ends it and with which
 * exit code. What it does in between is tested end to end.
 */
#include "daemon/daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base.h"
#include "core/clock.h"

#define DEADLINE_MS 20000

static char output[65536];
static size_t output_length;

struct child {
    pid_t pid;
    int reader; /* its stderr */
};

static struct child start_words(char **words)
{
    struct child child;
    int ends[2];
    int count = 0;

    while (words[count] != NULL)
        count++;
    output_length = 0;
    output[0] = '\0';
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(NULL);
    child.pid = fork();
    assert_true(child.pid != -1);
    if (child.pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        unsetenv("JOURNAL_STREAM");
        close(ends[0]);
        _exit(daemon_run(count, words));
    }
    close(ends[1]);
    child.reader = ends[0];
    return child;
}

#define START(...) start_words((char *[]){"culvert", __VA_ARGS__, NULL})

/* Reads what there is; false at the end. */
static bool read_more(struct child *child)
{
    ssize_t length =
        read(child->reader, output + output_length, sizeof(output) - 1 - output_length);

    if (length > 0)
        output_length += (size_t)length;
    output[output_length] = '\0';
    return length > 0;
}

static void wait_for(struct child *child, const char *text)
{
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;

    while (strstr(output, text) == NULL) {
        struct pollfd pipe = {.fd = child->reader, .events = POLLIN};

        assert_true(clock_now_ms() < deadline_ms);
        if (poll(&pipe, 1, 1000) == 1 && !read_more(child))
            fail_msg("it ended without saying \"%s\": %s", text, output);
    }
}

/* Reads to the end and returns the exit code. */
static int end_of(struct child *child)
{
    int status;

    while (read_more(child))
        continue;
    close(child->reader);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define QUIET_ADMIN "-s", "admin.socket=off"

static void test_term_without_sessions_is_a_clean_stop(void **state)
{
    struct child child = START("127.0.0.1:0", "builtin:echo", QUIET_ADMIN);

    (void)state;
    wait_for(&child, "event=ready");
    assert_null(strstr(output, "127.0.0.1:0\"")); /* the real port */
    kill(child.pid, SIGTERM);
    assert_int_equal(end_of(&child), EX_OK);
    assert_non_null(strstr(output, "stops now\" signal=TERM sessions=0"));
    assert_non_null(strstr(output, "event=drain_ended cut_sessions=0"));
    assert_non_null(strstr(output, "event=stopped exit_code=0 cut_sessions=0"));
}

static void test_quit_is_at_once(void **state)
{
    struct child child = START("127.0.0.1:0", "builtin:echo", QUIET_ADMIN);

    (void)state;
    wait_for(&child, "event=ready");
    kill(child.pid, SIGQUIT);
    assert_int_equal(end_of(&child), EX_OK);
    assert_non_null(strstr(output, "event=stop_now signal=QUIT"));
    assert_null(strstr(output, "drain_started"));
}

static void test_signals_of_later_versions_are_answered(void **state)
{
    struct child child = START("127.0.0.1:0", "builtin:echo", QUIET_ADMIN);

    (void)state;
    wait_for(&child, "event=ready");
    kill(child.pid, SIGHUP);
    wait_for(&child, "event=reload_unavailable");
    kill(child.pid, SIGUSR2);
    wait_for(&child, "event=upgrade_unavailable");
    kill(child.pid, SIGUSR1);
    wait_for(&child, "event=log_reopened");
    kill(child.pid, SIGQUIT);
    assert_int_equal(end_of(&child), EX_OK);
}

/* A stop that comes while the process starts is not lost. */
static void test_a_stop_while_starting_still_stops(void **state)
{
    (void)state;
    for (int delay_ms = 0; delay_ms < 40; delay_ms += 4) {
        struct child child = START("127.0.0.1:0", "builtin:echo", QUIET_ADMIN);
        int status;

        poll(NULL, 0, delay_ms);
        kill(child.pid, SIGTERM);
        while (read_more(&child))
            continue;
        close(child.reader);
        assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
        /* Either before it had anything to close, or as usual. */
        assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGTERM
                                        : WEXITSTATUS(status) == EX_OK);
        assert_true(WIFEXITED(status) || strstr(output, "event=ready") == NULL);
    }
}

static void test_exit_codes_of_starts_that_fail(void **state)
{
    struct child child = START("--no-such-option");

    (void)state;
    assert_int_equal(end_of(&child), EX_USAGE);
    assert_string_equal(output, "culvert: unknown option --no-such-option\n");

    child = START("127.0.0.1:0", "builtin:echo", "-s", "listen.main.nonsense=1");
    assert_int_equal(end_of(&child), EX_CONFIG);
    assert_non_null(strstr(output, "nonsense"));

    child = START("127.0.0.1:0", "builtin:echo", QUIET_ADMIN, "-s", "log.output=/no/such/log");
    assert_int_equal(end_of(&child), EX_CONFIG);
    assert_non_null(strstr(output, "/no/such/log"));

    child = START("192.0.2.1:1", "builtin:echo", QUIET_ADMIN);
    assert_int_equal(end_of(&child), EX_UNAVAILABLE);
    assert_non_null(strstr(output, "192.0.2.1:1"));
}

/* RX1: refused with the exact number needed; auto fits itself in. */
static void test_more_connections_than_descriptors_are_refused(void **state)
{
    struct rlimit before;
    struct rlimit low = {.rlim_cur = 300, .rlim_max = 300};
    struct child child;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    child = START("127.0.0.1:0", "127.0.0.1:1", QUIET_ADMIN, "-s", "culvert.open_files=300", "-s",
                  "limits.max_connections=1000");
    assert_int_equal(end_of(&child), EX_CONFIG);
    assert_non_null(strstr(output, "> RLIMIT_NOFILE 300; raise LimitNOFILE to "));

    child = START("127.0.0.1:0", "127.0.0.1:1", QUIET_ADMIN, "-s", "culvert.open_files=300");
    wait_for(&child, "event=ready");
    assert_non_null(strstr(output, "open_files=300"));
    assert_non_null(strstr(output, "bound_by=open_files"));
    kill(child.pid, SIGQUIT);
    assert_int_equal(end_of(&child), EX_OK);
    setrlimit(RLIMIT_NOFILE, &before);
}

static void test_a_second_one_with_the_same_pid_file_is_refused(void **state)
{
    char folder[] = "/tmp/culvert-daemon-XXXXXX";
    char override[96];
    struct child first;
    struct child second;
    char bytes[32] = "";
    int fd;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(override, sizeof(override), "culvert.pid_file=%s/pid", folder);
    first = START("127.0.0.1:0", "builtin:echo", QUIET_ADMIN, "-s", override);
    wait_for(&first, "event=ready");
    fd = open(strchr(override, '=') + 1, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, bytes, sizeof(bytes) - 1) > 0);
    close(fd);
    assert_int_equal(atoi(bytes), first.pid);
    second = START("127.0.0.1:0", "builtin:echo", QUIET_ADMIN, "-s", override);
    assert_int_equal(end_of(&second), EX_UNAVAILABLE);
    assert_non_null(strstr(output, "another culvert runs with the pid file"));
    kill(first.pid, SIGTERM);
    assert_int_equal(end_of(&first), EX_OK);
    assert_int_equal(access(strchr(override, '=') + 1, F_OK), -1);
    assert_int_equal(rmdir(folder), 0);
}

/* A closed stderr must not become a socket that gets log lines. */
static void test_closed_standard_descriptors_are_filled(void **state)
{
    pid_t pid;
    int status;

    (void)state;
    fflush(NULL);
    pid = fork();
    assert_true(pid != -1);
    if (pid == 0) {
        char *words[] = {"culvert", "--version", NULL};

        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        close(STDERR_FILENO);
        daemon_run(2, words);
        _exit(fcntl(STDIN_FILENO, F_GETFD) == -1 || fcntl(STDOUT_FILENO, F_GETFD) == -1 ||
              fcntl(STDERR_FILENO, F_GETFD) == -1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_term_without_sessions_is_a_clean_stop),
        cmocka_unit_test(test_quit_is_at_once),
        cmocka_unit_test(test_signals_of_later_versions_are_answered),
        cmocka_unit_test(test_a_stop_while_starting_still_stops),
        cmocka_unit_test(test_exit_codes_of_starts_that_fail),
        cmocka_unit_test(test_more_connections_than_descriptors_are_refused),
        cmocka_unit_test(test_a_second_one_with_the_same_pid_file_is_refused),
        cmocka_unit_test(test_closed_standard_descriptors_are_filled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
