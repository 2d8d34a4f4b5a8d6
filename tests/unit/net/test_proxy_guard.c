/* SPDX-License-Identifier: Apache-2.0 */
/* test_proxy_guard.c - what a guarded conn lets through, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/proxy_guard.h"
#include "net/tcp_pair.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"

struct line {
    int peer;
    struct conn conn;
};

static void open_line(struct line *line)
{
    int pair[2];

    tcp_pair(pair);
    line->peer = pair[0];
    conn_init(&line->conn);
    conn_open(&line->conn, pair[1], true);
    proxy_guard_start(&line->conn);
}

static void close_line(struct line *line)
{
    peer_close(&line->peer);
    conn_close(&line->conn);
}

static void tell(struct line *line, const char *bytes, size_t size)
{
    size_t there = size;
    char memory[64];

    assert_int_equal(send(line->peer, bytes, size, MSG_NOSIGNAL), size);
    /* Loopback delivers at once, but the look is cheap. */
    while (recv(line->conn.fd, memory, sizeof(memory), MSG_PEEK) < (ssize_t)there)
        ;
    conn_note_event(&line->conn, EV_READ);
}

static enum io_result look(struct line *line, char *bytes, size_t size)
{
    size_t moved = 0;
    enum io_result result;

    memset(bytes, 0, size);
    result = conn_ops(&line->conn)->read(&line->conn, bytes, size - 1, &moved);
    return result;
}

static void test_other_bytes_pass_and_end_the_guard(void **state)
{
    struct line line;
    char bytes[64];

    open_line(&line);
    tell(&line, "POST /", 6);
    assert_int_equal(look(&line, bytes, sizeof(bytes)), IO_MOVED);
    assert_string_equal(bytes, "POST /");
    assert_ptr_equal(conn_ops(&line.conn), &conn_plain_ops);
    close_line(&line);
}

static void test_silence_is_waited_out(void **state)
{
    struct line line;
    char bytes[64];

    open_line(&line);
    line.conn.ready_in = true;
    assert_int_equal(look(&line, bytes, sizeof(bytes)), IO_BLOCKED);
    assert_false(line.conn.ready_in);
    assert_ptr_equal(conn_ops(&line.conn), &proxy_guard_ops);
    close_line(&line);
}

static void check_signature(const char *signature, size_t length)
{
    for (size_t cut = 1; cut < length; cut++) {
        struct line line;
        char bytes[64];

        open_line(&line);
        tell(&line, signature, cut);
        assert_int_equal(look(&line, bytes, sizeof(bytes)), IO_BLOCKED);
        assert_false(line.conn.ready_in);
        assert_false(proxy_guard_has_fired(&line.conn));
        assert_int_equal(send(line.peer, signature + cut, length - cut, MSG_NOSIGNAL),
                         length - cut);
        while (recv(line.conn.fd, bytes, sizeof(bytes), MSG_PEEK) < (ssize_t)length)
            ;
        /* Each look after the first says the same. */
        for (int i = 0; i < 2; i++)
            assert_int_equal(look(&line, bytes, sizeof(bytes)), IO_FAILED);
        assert_true(proxy_guard_has_fired(&line.conn));
        assert_int_equal(line.conn.error, EPROTO);
        close_line(&line);
    }
}

static void test_a_header_breaks_the_conn_however_it_comes(void **state)
{
    check_signature("PROXY ", 6);
    check_signature(V2, 12);
}

static void test_what_cannot_become_a_header_any_more_passes(void **state)
{
    struct line line;
    char bytes[64];

    open_line(&line);
    tell(&line, "PROX", 4);
    shutdown(line.peer, SHUT_WR);
    while (!line.conn.hup_in)
        (void)conn_peek_error(&line.conn);
    assert_int_equal(look(&line, bytes, sizeof(bytes)), IO_MOVED);
    assert_string_equal(bytes, "PROX");
    assert_int_equal(look(&line, bytes, sizeof(bytes)), IO_ENDED);
    close_line(&line);
}

static void test_an_end_and_a_reset_are_told(void **state)
{
    struct line line;
    char bytes[64];
    enum io_result result;

    open_line(&line);
    shutdown(line.peer, SHUT_WR);
    while ((result = look(&line, bytes, sizeof(bytes))) == IO_BLOCKED)
        ;
    assert_int_equal(result, IO_ENDED);
    close_line(&line);
    open_line(&line);
    peer_reset(&line.peer);
    while ((result = look(&line, bytes, sizeof(bytes))) == IO_BLOCKED)
        ;
    assert_int_equal(result, IO_FAILED);
    assert_int_equal(line.conn.error, ECONNRESET);
    assert_false(proxy_guard_has_fired(&line.conn));
    close_line(&line);
}

static void test_the_other_direction_is_plain(void **state)
{
    struct line line;
    char bytes[8] = "";
    size_t moved = 0;

    open_line(&line);
    assert_int_equal(conn_ops(&line.conn)->write(&line.conn, "220", 3, &moved), IO_MOVED);
    assert_int_equal(moved, 3);
    assert_int_equal(conn_ops(&line.conn)->shutdown_write(&line.conn), IO_MOVED);
    while (recv(line.peer, bytes, sizeof(bytes), 0) == -1)
        ;
    assert_string_equal(bytes, "220");
    close_line(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_bytes_pass_and_end_the_guard),
        cmocka_unit_test(test_silence_is_waited_out),
        cmocka_unit_test(test_a_header_breaks_the_conn_however_it_comes),
        cmocka_unit_test(test_what_cannot_become_a_header_any_more_passes),
        cmocka_unit_test(test_an_end_and_a_reset_are_told),
        cmocka_unit_test(test_the_other_direction_is_plain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
