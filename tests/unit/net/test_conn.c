/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conn.c - what reads and writes of a plain socket come to, above all when its peer ends or
 * resets: the truth table of ends and errors, row by row, over loopback TCP.
 */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/conn.h"
#include "net/tcp_pair.h"

/* One conn and its peer. */
struct line {
    struct conn conn;
    int peer;
};

static void line_open(struct line *line)
{
    int pair[2];

    tcp_pair(pair);
    line->peer = pair[0];
    conn_init(&line->conn);
    conn_open(&line->conn, pair[1], true);
    line->conn.ready_in = true;
    line->conn.ready_out = true;
}

static void line_close(struct line *line)
{
    conn_close(&line->conn);
    peer_close(&line->peer);
}

/* Waits until the kernel tells the conn's socket of any of these events. */
static void line_wait(struct line *line, short events)
{
    assert_true((peer_poll(line->conn.fd, events, TCP_PAIR_DEADLINE_MS) & events) != 0);
}

static enum io_result line_read(struct line *line, size_t *moved)
{
    unsigned char bytes[4096];

    *moved = 0;
    return conn_ops(&line->conn)->read(&line->conn, bytes, sizeof(bytes), moved);
}

static enum io_result line_write(struct line *line, size_t *moved)
{
    *moved = 0;
    return conn_ops(&line->conn)->write(&line->conn, "x", 1, moved);
}

static void assert_reads(struct line *line, enum io_result result, size_t bytes)
{
    size_t moved;

    assert_int_equal(line_read(line, &moved), result);
    assert_int_equal(moved, bytes);
}

static void assert_writes(struct line *line, enum io_result result)
{
    size_t moved;

    assert_int_equal(line_write(line, &moved), result);
}

static void test_read_moves_bytes_and_says_when_there_are_none(void **state)
{
    struct line line;

    line_open(&line);
    peer_send(line.peer, 0, 100);
    line_wait(&line, POLLIN);
    assert_reads(&line, IO_MOVED, 100);
    assert_true(line.conn.moved_in);
    assert_true(line.conn.ready_in);
    assert_reads(&line, IO_BLOCKED, 0);
    assert_false(line.conn.ready_in);
    assert_int_equal(line.conn.error, 0);
    line_close(&line);
}

static void test_write_fills_the_socket_and_then_blocks(void **state)
{
    static unsigned char bytes[65536];
    struct line line;
    enum io_result result;
    size_t moved;
    size_t total = 0;

    line_open(&line);
    do {
        result = conn_ops(&line.conn)->write(&line.conn, bytes, sizeof(bytes), &moved);
        if (result == IO_MOVED)
            total += moved;
    } while (result == IO_MOVED);
    assert_int_equal(result, IO_BLOCKED);
    assert_false(line.conn.ready_out);
    assert_int_equal(line.conn.error, 0);
    assert_true(total > sizeof(bytes));
    line_close(&line);
}

/* The rows of the truth table: what the peer does, and what the conn's calls come to. */

static void test_row_peer_fin_is_a_clean_end_and_writing_goes_on(void **state)
{
    struct line line;

    line_open(&line);
    shutdown(line.peer, SHUT_WR);
    line_wait(&line, POLLRDHUP);
    assert_reads(&line, IO_ENDED, 0);
    assert_true(line.conn.eof);
    assert_writes(&line, IO_MOVED);
    assert_reads(&line, IO_ENDED, 0);
    line_close(&line);
}

static void test_row_own_fin_leaves_reading_open_and_writing_fails(void **state)
{
    struct line line;

    line_open(&line);
    assert_int_equal(conn_ops(&line.conn)->shutdown_write(&line.conn), IO_MOVED);
    assert_true(line.conn.fin_out);
    assert_reads(&line, IO_BLOCKED, 0);
    assert_writes(&line, IO_FAILED);
    assert_int_equal(line.conn.error, EPIPE);
    line_close(&line);
}

static void test_row_both_fins_read_as_an_end(void **state)
{
    struct line line;

    line_open(&line);
    shutdown(line.peer, SHUT_WR);
    assert_int_equal(conn_ops(&line.conn)->shutdown_write(&line.conn), IO_MOVED);
    line_wait(&line, POLLHUP);
    assert_reads(&line, IO_ENDED, 0);
    assert_writes(&line, IO_FAILED);
    assert_int_equal(line.conn.error, EPIPE);
    line_close(&line);
}

static void test_row_idle_reset_is_a_failure(void **state)
{
    struct line line;

    line_open(&line);
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    assert_reads(&line, IO_FAILED, 0);
    assert_int_equal(line.conn.error, ECONNRESET);
    assert_false(line.conn.eof);
    line_close(&line);
}

static void test_row_reset_after_our_fin_is_a_failure(void **state)
{
    struct line line;

    line_open(&line);
    assert_int_equal(conn_ops(&line.conn)->shutdown_write(&line.conn), IO_MOVED);
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    assert_reads(&line, IO_FAILED, 0);
    assert_int_equal(line.conn.error, ECONNRESET);
    line_close(&line);
}

static void test_row_a_second_read_after_a_reset_is_no_end_either(void **state)
{
    struct line line;

    line_open(&line);
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    assert_reads(&line, IO_FAILED, 0);
    /* The kernel has told its error once; recv(2) returns 0 from here on. */
    assert_reads(&line, IO_FAILED, 0);
    assert_false(line.conn.eof);
    line_close(&line);
}

static void test_row_data_before_a_reset_is_read_first(void **state)
{
    struct line line;

    line_open(&line);
    peer_send(line.peer, 0, 1000);
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    assert_reads(&line, IO_MOVED, 1000);
    assert_reads(&line, IO_FAILED, 0);
    assert_int_equal(line.conn.error, ECONNRESET);
    line_close(&line);
}

static void test_row_a_write_that_eats_the_reset_does_not_make_an_end_of_it(void **state)
{
    struct line line;

    line_open(&line);
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    assert_writes(&line, IO_FAILED);
    assert_int_equal(line.conn.error, ECONNRESET);
    assert_reads(&line, IO_FAILED, 0);
    assert_false(line.conn.eof);
    line_close(&line);
}

static void test_row_data_and_fin_then_a_reset_is_a_clean_end(void **state)
{
    struct line line;

    line_open(&line);
    peer_send(line.peer, 0, 1000);
    shutdown(line.peer, SHUT_WR);
    line_wait(&line, POLLRDHUP);
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    assert_writes(&line, IO_FAILED);
    assert_int_equal(line.conn.error, EPIPE);
    assert_reads(&line, IO_MOVED, 1000);
    assert_reads(&line, IO_ENDED, 0);
    assert_true(line.conn.eof);
    line_close(&line);
}

static void test_row_a_peer_that_closed_answers_writes_with_a_reset_behind_its_end(void **state)
{
    struct line line;

    line_open(&line);
    peer_close(&line.peer);
    line_wait(&line, POLLRDHUP);
    assert_writes(&line, IO_MOVED);
    line_wait(&line, POLLERR);
    assert_writes(&line, IO_FAILED);
    assert_int_equal(line.conn.error, EPIPE);
    assert_reads(&line, IO_ENDED, 0);
    line_close(&line);
}

static void test_row_a_peer_that_closed_with_our_bytes_unread_is_a_failure(void **state)
{
    struct line line;

    line_open(&line);
    assert_writes(&line, IO_MOVED);
    peer_wait_acknowledged(line.conn.fd);
    peer_send(line.peer, 0, 1000);
    peer_close(&line.peer);
    line_wait(&line, POLLERR);
    assert_reads(&line, IO_MOVED, 1000);
    assert_reads(&line, IO_FAILED, 0);
    assert_int_equal(line.conn.error, ECONNRESET);
    line_close(&line);
}

static void test_row_linger_alone_resets_nothing_before_the_close(void **state)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    struct line line;

    line_open(&line);
    setsockopt(line.peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    shutdown(line.peer, SHUT_WR);
    line_wait(&line, POLLRDHUP);
    assert_reads(&line, IO_ENDED, 0);
    assert_false(conn_peek_error(&line.conn));
    peer_close(&line.peer);
    line_wait(&line, POLLERR);
    assert_true(conn_peek_error(&line.conn));
    line_close(&line);
}

static void test_row_a_disconnected_peer_is_a_reset(void **state)
{
    struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
    struct line line;

    line_open(&line);
    assert_int_equal(connect(line.peer, &unspecified, sizeof(unspecified)), 0);
    line_wait(&line, POLLERR);
    assert_reads(&line, IO_FAILED, 0);
    assert_int_equal(line.conn.error, ECONNRESET);
    line_close(&line);
}

static void test_an_end_that_meets_a_reset_leaves_it_to_the_read_to_tell_which(void **state)
{
    struct line line;

    line_open(&line);
    peer_send(line.peer, 0, 1000);
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    assert_int_equal(conn_ops(&line.conn)->shutdown_write(&line.conn), IO_FAILED);
    assert_false(line.conn.fin_out);
    assert_reads(&line, IO_MOVED, 1000);
    assert_reads(&line, IO_FAILED, 0);
    assert_int_equal(line.conn.error, ECONNRESET);
    line_close(&line);

    line_open(&line);
    peer_send(line.peer, 0, 1000);
    shutdown(line.peer, SHUT_WR);
    line_wait(&line, POLLRDHUP);
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    assert_int_equal(conn_ops(&line.conn)->shutdown_write(&line.conn), IO_FAILED);
    assert_reads(&line, IO_MOVED, 1000);
    assert_reads(&line, IO_ENDED, 0);
    line_close(&line);
}

/* What a look tells without consuming anything. */

static void test_peek_finds_no_error_on_a_quiet_socket_and_learns_of_an_end(void **state)
{
    struct line line;

    line_open(&line);
    assert_false(conn_peek_error(&line.conn));
    assert_false(line.conn.hup_in);
    peer_send(line.peer, 0, 10);
    shutdown(line.peer, SHUT_WR);
    line_wait(&line, POLLRDHUP);
    assert_false(conn_peek_error(&line.conn));
    assert_true(line.conn.hup_in);
    assert_reads(&line, IO_MOVED, 10);
    line_close(&line);
}

static void test_peek_leaves_the_error_for_the_read_that_meets_it(void **state)
{
    struct line line;

    line_open(&line);
    peer_send(line.peer, 0, 10);
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    assert_true(conn_peek_error(&line.conn));
    assert_true(conn_peek_error(&line.conn));
    assert_reads(&line, IO_MOVED, 10);
    assert_reads(&line, IO_FAILED, 0);
    assert_int_equal(line.conn.error, ECONNRESET);
    line_close(&line);
}

static void test_urgent_byte_stays_in_the_stream_and_its_mark_is_found(void **state)
{
    struct line line;
    size_t moved = 0;
    char bytes[8] = {0};

    line_open(&line);
    assert_int_equal(send(line.peer, "abc", 3, MSG_NOSIGNAL), 3);
    assert_int_equal(send(line.peer, "U", 1, MSG_NOSIGNAL | MSG_OOB), 1);
    assert_int_equal(send(line.peer, "def", 3, MSG_NOSIGNAL), 3);
    peer_wait_acknowledged(line.peer);
    conn_look_for_mark(&line.conn);
    assert_false(line.conn.urgent);
    assert_int_equal(conn_ops(&line.conn)->read(&line.conn, bytes, 7, &moved), IO_MOVED);
    assert_int_equal(moved, 3);
    conn_look_for_mark(&line.conn);
    assert_true(line.conn.urgent);
    assert_int_equal(conn_ops(&line.conn)->read(&line.conn, bytes + 3, 4, &moved), IO_MOVED);
    assert_string_equal(bytes, "abcUdef");
    line_close(&line);
}

static void test_the_first_errno_is_kept(void **state)
{
    struct conn conn;

    conn_init(&conn);
    conn_fail(&conn, ETIMEDOUT);
    conn_fail(&conn, EPIPE);
    assert_int_equal(conn.error, ETIMEDOUT);
    assert_int_equal(conn_end(&conn), IO_FAILED);
    assert_false(conn.eof);
}

/* Opening and closing. */

static void test_reset_reaches_a_tcp_peer_and_close_is_an_end(void **state)
{
    struct line line;
    enum peer_end end = PEER_OPEN;

    line_open(&line);
    conn_reset(&line.conn);
    assert_int_equal(line.conn.fd, -1);
    peer_poll(line.peer, POLLIN, TCP_PAIR_DEADLINE_MS);
    peer_receive_some(line.peer, 0, 1, &end);
    assert_int_equal(end, PEER_RESET);
    line_close(&line);

    line_open(&line);
    conn_close(&line.conn);
    peer_poll(line.peer, POLLIN, TCP_PAIR_DEADLINE_MS);
    peer_receive_some(line.peer, 0, 1, &end);
    assert_int_equal(end, PEER_ENDED);
    line_close(&line);
}

static void test_reset_of_a_unix_socket_is_a_plain_close(void **state)
{
    int pair[2];
    char byte;
    struct conn conn;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    conn_init(&conn);
    conn_open(&conn, pair[1], false);
    conn_reset(&conn);
    assert_int_equal(recv(pair[0], &byte, 1, 0), 0);
    close(pair[0]);
}

static void test_a_conn_opened_again_knows_nothing_of_the_socket_before(void **state)
{
    struct line line;
    int pair[2];

    line_open(&line);
    assert_int_equal(send(line.peer, "U", 1, MSG_NOSIGNAL | MSG_OOB), 1);
    line_wait(&line, POLLIN);
    conn_look_for_mark(&line.conn);
    assert_true(line.conn.urgent);
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    assert_true(conn_peek_error(&line.conn));
    assert_reads(&line, IO_MOVED, 1);
    assert_reads(&line, IO_FAILED, 0);
    conn_reset(&line.conn);

    tcp_pair(pair);
    line.peer = pair[0];
    conn_open(&line.conn, pair[1], true);
    assert_int_equal(line.conn.error, 0);
    assert_false(line.conn.hup_in);
    assert_false(line.conn.urgent);
    assert_false(line.conn.moved_in);
    assert_false(line.conn.eof);
    line_close(&line);
}

static void test_closing_twice_is_harmless(void **state)
{
    struct line line;

    line_open(&line);
    conn_close(&line.conn);
    conn_close(&line.conn);
    conn_reset(&line.conn);
    line_close(&line);
}

/* Watching. */

struct seen {
    short what;
    int calls;
};

static void on_event(evutil_socket_t fd, short what, void *argument)
{
    struct seen *seen = argument;

    seen->what |= what;
    seen->calls++;
}

static struct event_base *open_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    base = event_base_new_with_config(config);
    event_config_free(config);
    assert_non_null(base);
    return base;
}

static void test_watching_reports_what_was_there_before(void **state)
{
    struct event_base *base = open_base();
    struct seen seen = {0};
    struct line line;

    line_open(&line);
    peer_send(line.peer, 0, 5);
    shutdown(line.peer, SHUT_WR);
    line_wait(&line, POLLRDHUP);
    assert_true(conn_watch(&line.conn, base, on_event, &seen));
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(seen.what & (EV_READ | EV_WRITE | EV_CLOSED), EV_READ | EV_WRITE | EV_CLOSED);
    assert_int_equal(seen.calls, 1);
    /* Edges only: nothing new, nothing told. */
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(seen.calls, 1);
    line_close(&line);
    event_base_free(base);
}

static void test_a_closed_conn_has_no_events(void **state)
{
    struct event_base *base = open_base();
    struct seen seen = {0};
    struct line line;

    line_open(&line);
    assert_true(conn_watch(&line.conn, base, on_event, &seen));
    conn_close(&line.conn);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(seen.calls, 0);
    assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
    line_close(&line);
    event_base_free(base);
}

static void test_closing_takes_the_conn_off_the_recheck_list(void **state)
{
    struct list recheck;
    struct line line;

    list_init(&recheck);
    line_open(&line);
    list_append(&recheck, &line.conn.recheck);
    conn_reset(&line.conn);
    assert_true(list_is_empty(&recheck));
    line_close(&line);
}

static void test_wants_of_tls_cross_over(void **state)
{
    struct line line;

    (void)state;
    line_open(&line);
    line.conn.ready_in = line.conn.ready_out = false;
    conn_note_event(&line.conn, EV_READ);
    assert_true(line.conn.ready_in && !line.conn.ready_out);
    line.conn.ready_in = false;
    conn_note_event(&line.conn, EV_WRITE);
    assert_true(!line.conn.ready_in && line.conn.ready_out);

    line.conn.ready_out = false;
    line.conn.write_wants_read = true;
    line.conn.is_drained = true;
    conn_note_event(&line.conn, EV_READ);
    assert_true(line.conn.ready_in && line.conn.ready_out && !line.conn.is_drained);

    line.conn.ready_in = line.conn.ready_out = false;
    line.conn.read_wants_write = true;
    conn_note_event(&line.conn, EV_WRITE);
    assert_true(line.conn.ready_in && line.conn.ready_out);
    line_close(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_moves_bytes_and_says_when_there_are_none),
        cmocka_unit_test(test_write_fills_the_socket_and_then_blocks),
        cmocka_unit_test(test_row_peer_fin_is_a_clean_end_and_writing_goes_on),
        cmocka_unit_test(test_row_own_fin_leaves_reading_open_and_writing_fails),
        cmocka_unit_test(test_row_both_fins_read_as_an_end),
        cmocka_unit_test(test_row_idle_reset_is_a_failure),
        cmocka_unit_test(test_row_reset_after_our_fin_is_a_failure),
        cmocka_unit_test(test_row_a_second_read_after_a_reset_is_no_end_either),
        cmocka_unit_test(test_row_data_before_a_reset_is_read_first),
        cmocka_unit_test(test_row_a_write_that_eats_the_reset_does_not_make_an_end_of_it),
        cmocka_unit_test(test_row_data_and_fin_then_a_reset_is_a_clean_end),
        cmocka_unit_test(test_row_a_peer_that_closed_answers_writes_with_a_reset_behind_its_end),
        cmocka_unit_test(test_row_a_peer_that_closed_with_our_bytes_unread_is_a_failure),
        cmocka_unit_test(test_row_linger_alone_resets_nothing_before_the_close),
        cmocka_unit_test(test_row_a_disconnected_peer_is_a_reset),
        cmocka_unit_test(test_an_end_that_meets_a_reset_leaves_it_to_the_read_to_tell_which),
        cmocka_unit_test(test_peek_finds_no_error_on_a_quiet_socket_and_learns_of_an_end),
        cmocka_unit_test(test_peek_leaves_the_error_for_the_read_that_meets_it),
        cmocka_unit_test(test_urgent_byte_stays_in_the_stream_and_its_mark_is_found),
        cmocka_unit_test(test_the_first_errno_is_kept),
        cmocka_unit_test(test_reset_reaches_a_tcp_peer_and_close_is_an_end),
        cmocka_unit_test(test_reset_of_a_unix_socket_is_a_plain_close),
        cmocka_unit_test(test_a_conn_opened_again_knows_nothing_of_the_socket_before),
        cmocka_unit_test(test_closing_twice_is_harmless),
        cmocka_unit_test(test_watching_reports_what_was_there_before),
        cmocka_unit_test(test_a_closed_conn_has_no_events),
        cmocka_unit_test(test_closing_takes_the_conn_off_the_recheck_list),
        cmocka_unit_test(test_wants_of_tls_cross_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
