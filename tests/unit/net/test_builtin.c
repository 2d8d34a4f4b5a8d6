/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_builtin.c - the services inside culvert: bytes, back-pressure, ends.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "net/builtin.h"

#define DEADLINE_MS 30000
#define BULK_BYTES ((size_t)3 << 20)

struct fixture {
    struct event_base *base;
    struct builtin_services services;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->base = event_base_new();
    builtin_init(&fixture->services, fixture->base);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    builtin_release(&fixture->services);
    event_base_free(fixture->base);
    free(fixture);
    return 0;
}

/* Lets the services run on what is there. */
static void turn(struct fixture *fixture)
{
    event_base_loop(fixture->base, EVLOOP_NONBLOCK);
}

static unsigned char byte_at(size_t position)
{
    return (unsigned char)(position * 2654435761u >> 13);
}

/* Sends BULK_BYTES and then the end, reads at most `step` bytes per turn, checks every byte. */
static void echo_bulk(struct fixture *fixture, size_t step)
{
    int fd = builtin_connect(&fixture->services, BUILTIN_ECHO);
    int64_t deadline = clock_now_ms() + DEADLINE_MS;
    unsigned char *out = malloc(BULK_BYTES);
    unsigned char in[8192];
    size_t sent = 0;
    size_t got = 0;
    bool has_ended = false;

    assert_int_not_equal(fd, -1);
    for (size_t i = 0; i < BULK_BYTES; i++)
        out[i] = byte_at(i);
    while (!has_ended) {
        ssize_t n;

        assert_true(clock_now_ms() < deadline);
        while (sent < BULK_BYTES && (n = send(fd, out + sent, BULK_BYTES - sent, 0)) > 0) {
            sent += (size_t)n;
            if (sent == BULK_BYTES)
                assert_int_equal(shutdown(fd, SHUT_WR), 0);
        }
        turn(fixture);
        n = recv(fd, in, step, 0);
        if (n == 0)
            has_ended = true;
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(in[i], byte_at(got++));
    }
    assert_int_equal(got, BULK_BYTES);
    assert_true(list_is_empty(&fixture->services.connections));
    free(out);
    close(fd);
}

static void test_echo_sends_every_byte_back_before_it_ends(void **state)
{
    echo_bulk(*state, 8192);
}

static void test_echo_survives_a_reader_that_is_slower_than_the_writer(void **state)
{
    echo_bulk(*state, 4000);
}

static void test_echo_does_not_read_while_its_peer_does_not(void **state)
{
    struct fixture *fixture = *state;
    int fd = builtin_connect(&fixture->services, BUILTIN_ECHO);
    unsigned char chunk[4096] = {0};
    size_t sent = 0;
    int quiet_turns = 0;

    /* Without back-pressure this would go on for ever. */
    while (quiet_turns < 3) {
        ssize_t n = send(fd, chunk, sizeof(chunk), 0);

        if (n > 0) {
            sent += (size_t)n;
            quiet_turns = 0;
        } else {
            quiet_turns++;
        }
        turn(fixture);
        assert_true(sent < (size_t)8 << 20);
    }
    assert_true(sent > 0);
    close(fd);
    turn(fixture);
    assert_true(list_is_empty(&fixture->services.connections));
}

static void test_echo_ends_when_its_peer_is_gone_with_bytes_held(void **state)
{
    struct fixture *fixture = *state;
    int fd = builtin_connect(&fixture->services, BUILTIN_ECHO);
    unsigned char chunk[4096] = {0};

    for (int i = 0; i < 1000; i++) {
        if (send(fd, chunk, sizeof(chunk), 0) == -1)
            turn(fixture);
    }
    assert_false(list_is_empty(&fixture->services.connections));
    close(fd);
    turn(fixture);
    turn(fixture);
    assert_true(list_is_empty(&fixture->services.connections));
}

static void test_discard_reads_until_the_end(void **state)
{
    struct fixture *fixture = *state;
    int fd = builtin_connect(&fixture->services, BUILTIN_DISCARD);
    unsigned char chunk[16384] = {0};
    int64_t deadline = clock_now_ms() + DEADLINE_MS;
    size_t sent = 0;

    while (sent < BULK_BYTES) {
        ssize_t n = send(fd, chunk, sizeof(chunk), 0);

        assert_true(clock_now_ms() < deadline);
        if (n > 0)
            sent += (size_t)n;
        else
            turn(fixture);
    }
    assert_int_equal(recv(fd, chunk, sizeof(chunk), 0), -1);
    assert_int_equal(errno, EAGAIN);
    shutdown(fd, SHUT_WR);
    while (!list_is_empty(&fixture->services.connections)) {
        assert_true(clock_now_ms() < deadline);
        turn(fixture);
    }
    assert_int_equal(recv(fd, chunk, sizeof(chunk), 0), 0);
    close(fd);
}

/* RFC 864's pattern, computed byte by byte. */
static unsigned char chargen_byte(size_t position)
{
    size_t line = position / 74;
    size_t column = position % 74;

    if (column == 72)
        return '\r';
    if (column == 73)
        return '\n';
    return (unsigned char)(' ' + (line + column) % 95);
}

static size_t read_chargen(struct fixture *fixture, int fd, size_t from, size_t wanted)
{
    unsigned char in[5001];
    int64_t deadline = clock_now_ms() + DEADLINE_MS;
    size_t got = 0;

    while (got < wanted) {
        ssize_t n = recv(fd, in, sizeof(in), 0);

        assert_true(clock_now_ms() < deadline);
        if (n == -1) {
            turn(fixture);
            continue;
        }
        assert_int_not_equal(n, 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(in[i], chargen_byte(from + got + (size_t)i));
        got += (size_t)n;
    }
    return from + got;
}

static void test_chargen_sends_the_pattern_also_after_its_input_ended(void **state)
{
    struct fixture *fixture = *state;
    int fd = builtin_connect(&fixture->services, BUILTIN_CHARGEN);
    size_t position = read_chargen(fixture, fd, 0, 1 << 20);

    assert_int_equal(send(fd, "ignored", 7, 0), 7);
    shutdown(fd, SHUT_WR);
    position = read_chargen(fixture, fd, position, 1 << 20);
    assert_false(list_is_empty(&fixture->services.connections));
    close(fd);
    turn(fixture);
    turn(fixture);
    assert_true(list_is_empty(&fixture->services.connections));
}

static void test_chargen_takes_input_while_its_output_is_blocked(void **state)
{
    struct fixture *fixture = *state;
    int fd = builtin_connect(&fixture->services, BUILTIN_CHARGEN);
    unsigned char chunk[16384] = {0};
    int64_t deadline = clock_now_ms() + DEADLINE_MS;
    size_t sent = 0;

    while (sent < BULK_BYTES) {
        ssize_t n = send(fd, chunk, sizeof(chunk), 0);

        assert_true(clock_now_ms() < deadline);
        if (n > 0)
            sent += (size_t)n;
        else
            turn(fixture);
    }
    close(fd);
}

static void count_turn(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(argument);
}

static int64_t cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* Each service in the state where a wrong level-triggered interest would spin. */
static void test_waiting_connections_cost_no_cpu(void **state)
{
    struct fixture *fixture = *state;
    const struct timeval pause = {.tv_usec = 200000};
    int fds[3] = {
        builtin_connect(&fixture->services, BUILTIN_ECHO),
        builtin_connect(&fixture->services, BUILTIN_DISCARD),
        builtin_connect(&fixture->services, BUILTIN_CHARGEN),
    };
    unsigned char chunk[4096] = {0};
    int64_t before;

    for (int i = 0; i < 500; i++) {
        send(fds[0], chunk, sizeof(chunk), 0); /* the echo's output blocks */
        turn(fixture);
    }
    shutdown(fds[0], SHUT_WR);
    shutdown(fds[2], SHUT_WR);
    for (int i = 0; i < 100; i++)
        turn(fixture);
    before = cpu_us();
    event_base_once(fixture->base, -1, EV_TIMEOUT, count_turn, fixture->base, &pause);
    event_base_dispatch(fixture->base);
    assert_true(cpu_us() - before < 50000);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void test_connect_reports_missing_descriptors(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit old;
    struct rlimit tight;
    int fd;
    int cause;

    getrlimit(RLIMIT_NOFILE, &old);
    tight = old;
    tight.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &tight);
    fd = builtin_connect(&fixture->services, BUILTIN_ECHO);
    cause = errno;
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(fd, -1);
    assert_int_equal(cause, EMFILE);
    assert_true(list_is_empty(&fixture->services.connections));
}

static void test_near_end_is_non_blocking_and_close_on_exec(void **state)
{
    struct fixture *fixture = *state;
    int fd = builtin_connect(&fixture->services, BUILTIN_ECHO);

    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(fd);
}

static void test_release_closes_all_connections(void **state)
{
    struct fixture *fixture = *state;
    int fd = builtin_connect(&fixture->services, BUILTIN_ECHO);
    int other = builtin_connect(&fixture->services, BUILTIN_CHARGEN);
    unsigned char byte;

    builtin_release(&fixture->services);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    assert_int_equal(recv(other, &byte, 1, 0), 0);
    close(fd);
    close(other);
}

static void test_words(void **state)
{
    (void)state;
    assert_int_equal(builtin_from_word("echo"), BUILTIN_ECHO);
    assert_int_equal(builtin_from_word("discard"), BUILTIN_DISCARD);
    assert_int_equal(builtin_from_word("chargen"), BUILTIN_CHARGEN);
    assert_int_equal(builtin_from_word(""), BUILTIN_NONE);
    assert_int_equal(builtin_from_word("echo "), BUILTIN_NONE);
    assert_string_equal(builtin_word(BUILTIN_CHARGEN), "chargen");
}

int main(void)
{
#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SERVED(test_echo_sends_every_byte_back_before_it_ends),
        SERVED(test_echo_survives_a_reader_that_is_slower_than_the_writer),
        SERVED(test_echo_does_not_read_while_its_peer_does_not),
        SERVED(test_echo_ends_when_its_peer_is_gone_with_bytes_held),
        SERVED(test_discard_reads_until_the_end),
        SERVED(test_chargen_sends_the_pattern_also_after_its_input_ended),
        SERVED(test_chargen_takes_input_while_its_output_is_blocked),
        SERVED(test_waiting_connections_cost_no_cpu),
        SERVED(test_connect_reports_missing_descriptors),
        SERVED(test_near_end_is_non_blocking_and_close_on_exec),
        SERVED(test_release_closes_all_connections),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
