/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tls_bio.c - what OpenSSL is told of a socket, and records that are sent together.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/tcp_pair.h"
#include "tls/tls_bio.h"

static struct {
    bool malloc_fails;
    bool takes_keys; /* a kernel that says yes and sends in clear */
    unsigned receives;
    unsigned sends;
    unsigned handed_over;
} calls;

/* Also OpenSSL's library finds this one. */
int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    static int (*real)(int, int, int, const void *, socklen_t);

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "setsockopt");
    if (level == 282) /* SOL_TLS */
        calls.handed_over++;
    else if (level != IPPROTO_TCP || name != 31) /* TCP_ULP */
        return real(fd, level, name, value, length);
    errno = ENOENT;
    return calls.takes_keys ? 0 : -1;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
ssize_t __real_recv(int fd, void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);

void *__wrap_malloc(size_t size)
{
    return calls.malloc_fails ? NULL : __real_malloc(size);
}

ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags)
{
    calls.receives++;
    return __real_recv(fd, bytes, size, flags);
}

ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
    calls.sends++;
    return __real_send(fd, bytes, size, flags);
}

struct line {
    struct conn conn;
    struct tls_bio tls_bio;
    BIO *bio;
    int peer;
};

static void line_open(struct line *line, int buffers)
{
    int pair[2];

    memset(line, 0, sizeof(*line));
    tcp_pair_sized(pair, buffers, buffers);
    conn_init(&line->conn);
    conn_open(&line->conn, pair[0], true);
    line->peer = pair[1];
    line->tls_bio.conn = &line->conn;
    line->tls_bio.trusts_short_reads = true;
    line->bio = tls_bio_create(&line->tls_bio);
    assert_non_null(line->bio);
    memset(&calls, 0, sizeof(calls));
}

static void line_close(struct line *line)
{
    BIO_free(line->bio);
    tls_bio_release(&line->tls_bio);
    conn_close(&line->conn);
    peer_close(&line->peer);
}

static void line_wait(struct line *line, short events)
{
    assert_true((peer_poll(line->conn.fd, events, TCP_PAIR_DEADLINE_MS) & events) != 0);
}

/* Reads up to 100 bytes: how many; 0 = the end, -1 = try again, -2 = failed. */
static int take(struct line *line)
{
    unsigned char bytes[100];
    int count = BIO_read(line->bio, bytes, sizeof(bytes));

    if (count > 0)
        return count;
    if (BIO_should_retry(line->bio) != 0)
        return -1;
    return BIO_eof(line->bio) != 0 ? 0 : -2;
}

static void test_short_read_is_remembered_until_an_event(void **state)
{
    struct line line;

    (void)state;
    line_open(&line, 0);
    assert_int_equal(take(&line), -1);
    assert_true(line.tls_bio.is_blocked);
    peer_send(line.peer, 0, 50);
    line_wait(&line, POLLIN);
    /* No event was noted: no system call is made. */
    calls.receives = 0;
    assert_int_equal(take(&line), -1);
    assert_int_equal(calls.receives, 0);
    conn_look_again(&line.conn);
    assert_int_equal(take(&line), 50);
    assert_int_equal(take(&line), -1);
    assert_int_equal(calls.receives, 1);
    assert_int_equal(line.tls_bio.fruitless_bytes, 50);
    /* A read that was filled says nothing of what is left. */
    peer_send(line.peer, 50, 100);
    line_wait(&line, POLLIN);
    conn_look_again(&line.conn);
    assert_int_equal(take(&line), 100);
    assert_int_equal(take(&line), -1);
    assert_int_equal(calls.receives, 3);
    line_close(&line);
}

static void test_short_read_is_not_trusted_where_something_hides(void **state)
{
    struct line line;

    (void)state;
    line_open(&line, 0);
    peer_send(line.peer, 0, 50);
    shutdown(line.peer, SHUT_WR);
    line_wait(&line, POLLRDHUP);
    line.conn.hup_in = true;
    assert_int_equal(take(&line), 50);
    assert_int_equal(take(&line), 0);
    assert_true(line.tls_bio.at_end);
    line_close(&line);

    line_open(&line, 0);
    line.conn.urgent = true;
    peer_send(line.peer, 0, 50);
    line_wait(&line, POLLIN);
    assert_int_equal(take(&line), 50);
    assert_int_equal(take(&line), -1);
    assert_int_equal(calls.receives, 2);
    line_close(&line);

    /* During a handshake no recheck would find what a short read hides. */
    line_open(&line, 0);
    line.tls_bio.trusts_short_reads = false;
    peer_send(line.peer, 0, 50);
    line_wait(&line, POLLIN);
    assert_int_equal(take(&line), 50);
    assert_int_equal(take(&line), -1);
    assert_int_equal(calls.receives, 2);
    line_close(&line);
}

static void test_reset_is_no_end(void **state)
{
    struct line line;

    (void)state;
    line_open(&line, 0);
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    assert_int_equal(take(&line), -2);
    assert_int_equal(line.conn.error, ECONNRESET);
    /* The kernel says 0 from now on, and so would a peer that ended. */
    assert_int_equal(take(&line), -2);
    assert_false(line.tls_bio.at_end);
    line_close(&line);
}

static struct tls_gather gather;

/* Gathers `count` records of `size` bytes, each of which stands for half as much plaintext. */
static void gather_records(struct line *line, unsigned count, size_t size)
{
    static unsigned char bytes[20000];

    tls_bio_gather(&line->tls_bio, &gather);
    for (unsigned i = 0; i < count; i++) {
        pattern_fill(bytes, size, i * size);
        assert_int_equal(BIO_write(line->bio, bytes, (int)size), size);
        assert_int_equal(tls_bio_note_record(&line->tls_bio, size / 2), i + 1 < TLS_GATHER_RECORDS);
    }
    assert_int_equal(calls.sends, 0);
}

static void test_gathered_records_go_out_in_one_send(void **state)
{
    struct line line;
    enum peer_end end = PEER_OPEN;
    size_t plain = 0;

    (void)state;
    line_open(&line, 0);
    gather_records(&line, TLS_GATHER_RECORDS, 100);
    assert_int_equal(tls_bio_flush(&line.tls_bio, &plain), IO_MOVED);
    assert_int_equal(plain, TLS_GATHER_RECORDS * 50);
    assert_int_equal(calls.sends, 1);
    assert_null(line.tls_bio.rest);
    peer_wait_acknowledged(line.conn.fd);
    assert_int_equal(peer_receive_some(line.peer, 0, 10000, &end), TLS_GATHER_RECORDS * 100);
    /* Nothing gathered is nothing sent, and then writes go to the socket. */
    tls_bio_gather(&line.tls_bio, &gather);
    assert_int_equal(tls_bio_flush(&line.tls_bio, &plain), IO_MOVED);
    assert_int_equal(plain, 0);
    assert_int_equal(calls.sends, 1);
    assert_int_equal(BIO_write(line.bio, "x", 1), 1);
    assert_int_equal(calls.sends, 2);
    line_close(&line);
}

/* The peer reads slowly: each record is told once, when all of it is out; nothing overtakes. */
static void test_rest_goes_out_before_anything_else(void **state)
{
    static const unsigned char answer[] = {0xaa};
    struct line line;
    enum peer_end end = PEER_OPEN;
    unsigned char byte = 0;
    size_t plain = 0;
    size_t told;
    size_t received = 0;
    const size_t all = (size_t)4 * 16400;
    int written = 0;

    (void)state;
    line_open(&line, 2048);
    gather_records(&line, 4, 16400);
    assert_int_equal(tls_bio_flush(&line.tls_bio, &told), IO_BLOCKED);
    assert_non_null(line.tls_bio.rest);
    assert_true(told < (size_t)4 * 8200);
    for (int i = 0; i < 10000 && received < all; i++) {
        peer_poll(line.peer, POLLIN, 10);
        received += peer_receive_some(line.peer, received,
                                      all - received < 500 ? all - received : 500, &end);
        /* An alert of OpenSSL's, tried again and again. */
        if (written != 1)
            written = BIO_write(line.bio, answer, 1);
        if (i % 2 == 0) {
            assert_int_not_equal(tls_bio_send_rest(&line.tls_bio, &plain), IO_FAILED);
            told += plain;
            assert_int_equal(plain % 8200, 0);
        }
    }
    assert_int_equal(received, all);
    assert_int_equal(tls_bio_send_rest(&line.tls_bio, &plain), IO_MOVED);
    assert_int_equal(told + plain, 4 * 8200);
    assert_null(line.tls_bio.rest);
    if (written != 1)
        assert_int_equal(BIO_write(line.bio, answer, 1), 1);
    assert_true(peer_poll(line.peer, POLLIN, TCP_PAIR_DEADLINE_MS) != 0);
    assert_int_equal(recv(line.peer, &byte, 1, 0), 1);
    assert_int_equal(byte, 0xaa);
    line_close(&line);
}

static void test_rest_without_memory_breaks_the_conn(void **state)
{
    struct line line;
    size_t plain;

    (void)state;
    line_open(&line, 2048);
    gather_records(&line, 4, 16400);
    calls.malloc_fails = true;
    assert_int_equal(tls_bio_flush(&line.tls_bio, &plain), IO_FAILED);
    calls.malloc_fails = false;
    assert_int_equal(line.conn.error, ENOMEM);
    line_close(&line);
}

static void test_flush_to_a_reset_peer_fails_with_its_errno(void **state)
{
    struct line line;
    size_t plain;

    (void)state;
    line_open(&line, 0);
    gather_records(&line, 2, 100);
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    assert_int_equal(tls_bio_flush(&line.tls_bio, &plain), IO_FAILED);
    assert_int_equal(plain, 0);
    assert_int_equal(line.conn.error, ECONNRESET);
    line_close(&line);
}

#define SET_KTLS 72

/* As OpenSSL does it when it is about to use new keys. */
static long offer_keys(struct line *line, uint16_t version, bool for_sending)
{
    unsigned char keys[256] = {0};
    const struct tls_crypto_info info = {.version = version, .cipher_type = TLS_CIPHER_AES_GCM_128};

    memcpy(keys, &info, sizeof(info));
    return BIO_ctrl(line->bio, SET_KTLS, for_sending, keys);
}

static void test_the_kernel_gets_keys_of_tls_1_2_for_sending_only(void **state)
{
    struct line line;
    size_t plain;

    (void)state;
    line_open(&line, 0);
    calls.takes_keys = true;
    assert_int_equal(offer_keys(&line, TLS_1_2_VERSION, false), 0);
    assert_int_equal(offer_keys(&line, TLS_1_3_VERSION, true), 0); /* a KeyUpdate may change it */
    assert_int_equal(calls.handed_over, 0);
    assert_int_equal(BIO_get_ktls_send(line.bio), 0);
    assert_null(line.tls_bio.kernel);
    assert_int_equal(offer_keys(&line, TLS_1_2_VERSION, true), 1);
    assert_int_equal(calls.handed_over, 1);
    assert_int_equal(BIO_get_ktls_send(line.bio), 1);
    assert_int_equal(BIO_get_ktls_recv(line.bio), 0);
    assert_int_equal(offer_keys(&line, TLS_1_2_VERSION, true), 0); /* once */
    /* OpenSSL's own messages go by its own BIO, not by our send(2). */
    assert_int_equal(BIO_write(line.bio, "message", 7), 7);
    assert_int_equal(calls.sends, 0);
    peer_poll(line.peer, POLLIN, TCP_PAIR_DEADLINE_MS);
    assert_int_equal(recv(line.peer, (char[8]){0}, 8, 0), 7);
    assert_int_equal(tls_bio_send_rest(&line.tls_bio, &plain), IO_MOVED);
    /* What breaks is the conn's to know. */
    peer_reset(&line.peer);
    line_wait(&line, POLLERR);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(BIO_write(line.bio, "x", 1), -1);
    assert_int_equal(BIO_should_retry(line.bio), 0);
    assert_int_equal(line.conn.error, ECONNRESET);
    line_close(&line);
}

static void test_what_the_kernel_does_not_take_stays_with_openssl(void **state)
{
    struct line line;

    (void)state;
    line_open(&line, 0);
    assert_int_equal(offer_keys(&line, TLS_1_2_VERSION, true), 0);
    assert_null(line.tls_bio.kernel);
    assert_int_equal(BIO_get_ktls_send(line.bio), 0);
    assert_int_equal(BIO_write(line.bio, "record", 6), 6);
    assert_int_equal(calls.sends, 1);
    line_close(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_read_is_remembered_until_an_event),
        cmocka_unit_test(test_short_read_is_not_trusted_where_something_hides),
        cmocka_unit_test(test_reset_is_no_end),
        cmocka_unit_test(test_gathered_records_go_out_in_one_send),
        cmocka_unit_test(test_rest_goes_out_before_anything_else),
        cmocka_unit_test(test_rest_without_memory_breaks_the_conn),
        cmocka_unit_test(test_flush_to_a_reset_peer_fails_with_its_errno),
        cmocka_unit_test(test_the_kernel_gets_keys_of_tls_1_2_for_sending_only),
        cmocka_unit_test(test_what_the_kernel_does_not_take_stays_with_openssl),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
