/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tls_conn.c - TLS as an I/O method of a conn: bytes, ends and failures in both roles, TLS 1.2
 * and 1.3, against OpenSSL itself over loopback TCP.
 */
#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tls/tls_line.h"

/* The profile's part, played by the test: no policy. Contexts are the lines' own. */

void tls_context_free(struct tls_context *context)
{
    context->references--;
}

bool tls_context_prepare(struct tls_context *context, SSL *ssl, const struct tls_target *target)
{
    assert_ptr_equal(((struct tls_peer *)SSL_get_app_data(ssl))->context, context);
    return target == NULL || SSL_set_tlsext_host_name(ssl, target->server_name) == 1;
}

/* Who is denied, in words; NULL: nobody. */
static const char *denied;

bool tls_context_accepts(const struct tls_context *context, SSL *ssl, char *text, size_t size)
{
    (void)context;
    (void)ssl;
    if (denied != NULL)
        snprintf(text, size, "%s", denied);
    return denied == NULL;
}

ssize_t __real_recv(int fd, void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags);

/* recv(2) calls of the conn (the peer uses read(2)). */
static unsigned recv_calls;

ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags)
{
    recv_calls++;
    return __real_recv(fd, bytes, size, flags);
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static bool malloc_fails; /* ours alone: OpenSSL has its own */

void *__wrap_malloc(size_t size)
{
    return malloc_fails ? NULL : __real_malloc(size);
}

/* Each test of this kind runs in both roles and versions. */
static void for_each_line(void (*test)(const struct line_options *options))
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    static const enum tls_role roles[] = {TLS_SERVER, TLS_CLIENT};

    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            test(&(struct line_options){.version = versions[i], .role = roles[j]});
}

/* The peer's bare FIN: no close_notify. */
static void peer_fin(struct line *line)
{
    assert_int_equal(shutdown(line->peer_fd, SHUT_WR), 0);
}

static void peer_notify(struct line *line)
{
    ERR_clear_error();
    assert_true(SSL_shutdown(line->peer) >= 0);
}

static void line_shut(struct line *line)
{
    assert_int_equal(conn_ops(&line->conn)->shutdown_write(&line->conn), IO_MOVED);
    assert_true(line->conn.fin_out);
}

static void peer_expect_end(struct line *line, uint64_t position, size_t size)
{
    int end = SSL_ERROR_NONE;
    size_t total = 0;

    for (int i = 0; i < 1000 && end == SSL_ERROR_NONE; i++) {
        peer_wait(line);
        total += peer_read(line, position + total, 65536, &end);
    }
    assert_int_equal(total, size);
    assert_int_equal(end, SSL_ERROR_ZERO_RETURN);
}

static void assert_fault(struct line *line, enum tls_fault fault, const char *words)
{
    assert_int_equal(tls_conn_fault(&line->conn), fault);
    if (strstr(tls_conn_fault_text(&line->conn), words) == NULL)
        fail_msg("'%s' is not in '%s'", words, tls_conn_fault_text(&line->conn));
}

/* ---- handshake --------------------------------------------------------------------------------
 */

static void shakes(const struct line_options *options)
{
    struct line line;
    const unsigned char *alpn;
    unsigned alpn_size;

    line_start(&line, options);
    assert_string_equal(tls_conn_version(&line.conn),
                        options->version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
    SSL_get0_alpn_selected(line.peer, &alpn, &alpn_size);
    assert_int_equal(alpn_size, 0);
    assert_false(tls_conn_is_resumed(&line.conn));
    assert_true(conn_is_tls(&line.conn));
    assert_true(line.conn.ready_in);
    if (options->role == TLS_CLIENT)
        assert_string_equal(SSL_get_servername(line.peer, TLSEXT_NAMETYPE_host_name),
                            "culvert.test");
    line_close(&line);
    assert_false(conn_is_tls(&line.conn));
}

static void test_handshake_completes(void **state)
{
    (void)state;
    for_each_line(shakes);
}

/* The peer's side of a handshake over memory, so that a test decides how its bytes are cut. */
static void use_memory(struct line *line)
{
    SSL_set_bio(line->peer, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
}

/* What the conn has sent goes to the peer. */
static void feed_peer(struct line *line)
{
    unsigned char bytes[16384];
    ssize_t count;

    while ((count = read(line->peer_fd, bytes, sizeof(bytes))) > 0)
        assert_int_equal(BIO_write(SSL_get_rbio(line->peer), bytes, (int)count), count);
}

/* The peer's next bytes, up to `size`, go to the conn; how many. */
static int feed_conn(struct line *line, int size)
{
    unsigned char bytes[16384];
    int count = BIO_read(SSL_get_wbio(line->peer), bytes, size);

    if (count > 0)
        assert_int_equal(send(line->peer_fd, bytes, (size_t)count, MSG_NOSIGNAL), count);
    return count;
}

static void shakes_by_single_bytes(const struct line_options *options)
{
    struct line line;
    enum io_result result = IO_BLOCKED;

    line_open(&line, options);
    use_memory(&line);
    result = tls_conn_handshake(&line.conn);
    for (int i = 0; i < 20000; i++) {
        feed_peer(&line);
        ERR_clear_error();
        SSL_do_handshake(line.peer);
        ERR_clear_error();
        if (feed_conn(&line, 1) != 1) {
            if (result == IO_MOVED && SSL_is_init_finished(line.peer) == 1)
                break;
            poll(NULL, 0, 1);
            continue;
        }
        line_wait(&line, POLLIN);
        if (result != IO_MOVED)
            result = tls_conn_handshake(&line.conn);
        assert_int_not_equal(result, IO_FAILED);
    }
    assert_int_equal(result, IO_MOVED);
    line_close(&line);
}

static void test_handshake_may_come_in_single_bytes(void **state)
{
    (void)state;
    for_each_line(shakes_by_single_bytes);
}

/* The peer's first flight is cut at `size` bytes, then its stream ends. */
static void breaks_at(const struct line_options *options, int size, bool is_reset)
{
    struct line line;
    enum io_result result;

    line_open(&line, options);
    use_memory(&line);
    tls_conn_handshake(&line.conn);
    if (options->role == TLS_CLIENT)
        peer_wait(&line);
    feed_peer(&line);
    SSL_do_handshake(line.peer);
    ERR_clear_error();
    if (size > 0)
        assert_int_equal(feed_conn(&line, size), size);
    if (is_reset)
        peer_reset(&line.peer_fd);
    else
        peer_fin(&line);
    line_wait(&line, POLLRDHUP);
    result = tls_conn_handshake(&line.conn);
    assert_int_equal(result, IO_FAILED);
    assert_int_equal(tls_conn_handshake(&line.conn), IO_FAILED);
    if (is_reset) {
        assert_int_equal(tls_conn_fault(&line.conn), TLS_FAULT_NONE);
        assert_int_equal(line.conn.error, ECONNRESET);
    } else {
        assert_fault(&line, TLS_FAULT_TRUNCATED, "the peer closed during the handshake");
        assert_int_equal(line.conn.error, 0);
    }
    line_close(&line);
}

static void breaks_everywhere(const struct line_options *options)
{
    /* The shortest first flight is longer. */
    for (int size = 0; size < 90; size++) {
        breaks_at(options, size, false);
        if (size % 5 == 0)
            breaks_at(options, size, true);
    }
}

static void test_handshake_cut_at_any_byte_fails_in_words(void **state)
{
    (void)state;
    for_each_line(breaks_everywhere);
}

static void send_junk(struct line *line, const void *bytes, size_t size)
{
    assert_int_equal(send(line->peer_fd, bytes, size, MSG_NOSIGNAL), size);
}

/* The conn refuses these bytes instead of a hello, and says why. */
static void refuses(const void *bytes, size_t size, const char *words)
{
    struct line line;

    line_open(&line, &(struct line_options){.version = TLS1_3_VERSION, .role = TLS_SERVER});
    send_junk(&line, bytes, size);
    line_wait(&line, POLLIN);
    assert_int_equal(tls_conn_handshake(&line.conn), IO_FAILED);
    assert_fault(&line, TLS_FAULT_PROTOCOL, words);
    assert_int_equal(line.conn.error, EPROTO);
    line_close(&line);
}

static void test_handshake_refuses_what_is_no_tls(void **state)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char ssh[] = "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
    unsigned char junk[16384];

    (void)state;
    refuses(get, sizeof(get) - 1, "http request");
    refuses(ssh, sizeof(ssh) - 1, "wrong version number");
    memset(junk, 0xff, sizeof(junk));
    refuses(junk, sizeof(junk), "wrong version number");
}

static void test_handshake_says_what_does_not_fit(void **state)
{
    struct line line;

    (void)state;
    line_open(&line, &(struct line_options){.version = TLS1_3_VERSION, .role = TLS_SERVER});
    SSL_set_min_proto_version(line.peer, TLS1_2_VERSION);
    SSL_set_max_proto_version(line.peer, TLS1_2_VERSION);
    assert_int_equal(line_shake(&line), IO_FAILED);
    assert_fault(&line, TLS_FAULT_PROTOCOL, "unsupported protocol");
    line_close(&line);

    line_open(&line, &(struct line_options){.version = TLS1_2_VERSION, .role = TLS_SERVER});
    SSL_set_cipher_list(line.peer, "ECDHE-RSA-AES128-GCM-SHA256");
    assert_int_equal(line_shake(&line), IO_FAILED);
    assert_fault(&line, TLS_FAULT_PROTOCOL, "no shared cipher");
    line_close(&line);
}

/* One side does not trust the other: the conn's words, whichever side it is. */
static void distrusts(const struct line_options *options, const char *words)
{
    struct line line;

    line_open(&line, options);
    if (!options->is_wary)
        SSL_set_verify(line.peer, SSL_VERIFY_PEER, NULL);
    /* In TLS 1.3 the server's handshake is complete before the client can refuse: then the alert
       is found by the first read. */
    if (line_shake(&line) != IO_FAILED)
        assert_int_equal(line_read_end(&line), IO_FAILED);
    assert_fault(&line, TLS_FAULT_PROTOCOL, words);
    line_close(&line);
}

static void test_distrust_is_told_in_words_on_both_sides(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct line_options options = {.version = version, .role = TLS_SERVER};

        distrusts(&options, "alert unknown ca");
        options.role = TLS_CLIENT;
        options.is_wary = true;
        distrusts(&options, "certificate verify failed: self-signed certificate");
        options.is_expired = true;
        distrusts(&options, "certificate verify failed: certificate has expired");
    }
}

static void denies(const struct line_options *options)
{
    struct line line;
    size_t moved;

    denied = "uri:spiffe://culvert.test/stranger is not in allow_san";
    line_open(&line, options);
    assert_int_equal(line_shake(&line), IO_FAILED);
    assert_fault(&line, TLS_FAULT_IDENTITY, denied);
    assert_int_equal(line.conn.error, EPROTO);
    /* Nothing is read or written afterwards. */
    assert_int_equal(line_read(&line, 0, 100, &moved), IO_FAILED);
    assert_int_equal(conn_ops(&line.conn)->write(&line.conn, "x", 1, &moved), IO_FAILED);
    assert_int_equal(conn_ops(&line.conn)->shutdown_write(&line.conn), IO_FAILED);
    denied = NULL;
    line_close(&line);
}

static void test_denied_identity_is_named(void **state)
{
    (void)state;
    for_each_line(denies);
}

/* ---- bytes ------------------------------------------------------------------------------------
 */

static void carries_bytes(const struct line_options *options)
{
    static const size_t sizes[] = {1, 2, 100, 16383, 16384, 7, 16000, 1, 1, 1};
    struct line line;
    uint64_t up = 0;
    uint64_t down = 0;

    line_start(&line, options);
    for (int i = 0; i < 100; i++) {
        size_t size = sizes[(size_t)i % ARRAY_LENGTH(sizes)];
        int end = SSL_ERROR_NONE;
        size_t total = 0;

        peer_write(&line, up, size);
        line_receive(&line, up, size);
        up += size;
        line_write(&line, down, size);
        for (int j = 0; j < 1000 && total < size; j++) {
            peer_wait(&line);
            total += peer_read(&line, down + total, size - total, &end);
            assert_int_equal(end, SSL_ERROR_NONE);
        }
        down += size;
    }
    line_close(&line);
}

static void test_bytes_arrive_unchanged(void **state)
{
    (void)state;
    for_each_line(carries_bytes);
}

static void test_pending_bytes_need_no_event(void **state)
{
    struct line line;
    size_t moved;
    size_t total = 0;

    (void)state;
    line_start(&line, &(struct line_options){.version = TLS1_3_VERSION, .role = TLS_SERVER});
    for (int i = 0; i < 3; i++)
        peer_write(&line, (uint64_t)i * 1000, 1000);
    line_wait(&line, POLLIN);
    while (total < 3000) {
        assert_true(line.conn.ready_in);
        assert_int_equal(line_read(&line, total, 70, &moved), IO_MOVED);
        total += moved;
    }
    assert_int_equal(total, 3000);
    assert_int_equal(line_read(&line, total, 70, &moved), IO_BLOCKED);
    assert_false(line.conn.ready_in);
    line_close(&line);
}

static void test_short_recv_saves_the_next_one(void **state)
{
    struct line line;
    size_t moved;

    (void)state;
    line_start(&line, &(struct line_options){.version = TLS1_3_VERSION, .role = TLS_SERVER});
    /* Whatever the handshake left is read. */
    assert_int_equal(line_read(&line, 0, 100, &moved), IO_BLOCKED);
    peer_write(&line, 0, 64);
    line_wait(&line, POLLIN);
    recv_calls = 0;
    assert_int_equal(line_read(&line, 0, 4096, &moved), IO_MOVED);
    assert_int_equal(moved, 64);
    assert_false(line.conn.ready_in);
    assert_int_equal(recv_calls, 1);
    assert_int_equal(line_read(&line, 0, 4096, &moved), IO_BLOCKED);
    assert_int_equal(recv_calls, 1);
    /* A recheck looks again. */
    conn_look_again(&line.conn);
    assert_int_equal(line_read(&line, 0, 4096, &moved), IO_BLOCKED);
    assert_int_equal(recv_calls, 2);
    line_close(&line);
}

static void test_several_records_come_in_one_read(void **state)
{
    struct line line;
    size_t moved;

    (void)state;
    line_start(&line, &(struct line_options){.version = TLS1_3_VERSION, .role = TLS_SERVER});
    for (int i = 0; i < 20; i++)
        peer_write(&line, (uint64_t)i * 100, 100);
    peer_wait_acknowledged(line.peer_fd);
    line_wait(&line, POLLIN);
    recv_calls = 0;
    assert_int_equal(line_read(&line, 0, 65536, &moved), IO_MOVED);
    assert_int_equal(moved, 2000);
    assert_int_equal(recv_calls, 1);
    line_close(&line);
}

static void fills_the_socket(const struct line_options *options)
{
    struct line_options sized = *options;
    struct line line;
    static unsigned char bytes[65536];
    uint64_t taken = 0;
    uint64_t read_by_peer = 0;
    const uint64_t all = 4 << 20;
    unsigned blocked = 0;
    unsigned partial = 0;

    sized.send_buffer = 8192;
    sized.receive_buffer = 8192;
    line_start(&line, &sized);
    while (read_by_peer < all) {
        size_t moved = 0;
        int end;

        if (taken < all && line.conn.ready_out) {
            size_t size = all - taken < sizeof(bytes) ? (size_t)(all - taken) : sizeof(bytes);
            /* Offered from another address each time, as a residue in a buffer is. */
            size_t shift = (size_t)(taken % 7);
            enum io_result result;

            if (size > sizeof(bytes) - 7)
                size = sizeof(bytes) - 7;
            pattern_fill(bytes + shift, size, taken);
            result = conn_ops(&line.conn)->write(&line.conn, bytes + shift, size, &moved);
            assert_true(result == IO_MOVED || result == IO_BLOCKED);
            taken += moved;
            if (result == IO_BLOCKED) {
                assert_int_equal(moved, 0);
                assert_false(line.conn.ready_out);
                blocked++;
            } else if (moved < size) {
                assert_false(line.conn.ready_out);
                partial++;
            }
        }
        peer_poll(line.peer_fd, POLLIN, 10);
        read_by_peer += peer_read(&line, read_by_peer, 4096, &end);
        assert_int_equal(end, SSL_ERROR_NONE);
        line_note(&line, POLLOUT, 0);
    }
    assert_int_equal(taken, all);
    assert_true(blocked > 0);
    assert_true(partial > 0);
    line_close(&line);
}

static void test_full_socket_takes_a_part(void **state)
{
    (void)state;
    for_each_line(fills_the_socket);
}

/* Records that a full socket leaves behind: each is told when it is out, and none is offered twice.
 */
static void tells_each_record(const struct line_options *options)
{
    struct line_options sized = *options;
    struct line line;
    static unsigned char bytes[65536];
    uint64_t taken = 0;
    uint64_t total = 0;
    unsigned told_later = 0;
    int end = SSL_ERROR_NONE;

    sized.send_buffer = 4096;
    sized.receive_buffer = 4096;
    line_start(&line, &sized);
    for (int i = 0; i < 20000 && (taken < 2000000 || total < taken); i++) {
        size_t moved = 0;

        if (line.conn.ready_out && taken < 2000000) {
            enum io_result result;

            pattern_fill(bytes, sizeof(bytes), taken);
            result = conn_ops(&line.conn)->write(&line.conn, bytes, sizeof(bytes), &moved);
            assert_true(result == IO_MOVED || result == IO_BLOCKED);
            assert_true(moved <= sizeof(bytes));
            /* Whole records, but for what comes after the first offer's end. */
            told_later += moved > 0 && moved < sizeof(bytes);
            taken += moved;
        }
        peer_poll(line.peer_fd, POLLIN, 1);
        total += peer_read(&line, total, 2048, &end);
        assert_int_equal(end, SSL_ERROR_NONE);
        /* The peer may know more than was told, by the records that are on their way. */
        assert_true(total <= taken + sizeof(bytes));
        line_note(&line, POLLOUT, 0);
    }
    assert_true(told_later > 10);
    assert_int_equal(total, taken);
    /* The conn may die with records left behind. */
    line.conn.ready_out = true;
    while (line.conn.ready_out) {
        size_t moved = 0;

        pattern_fill(bytes, sizeof(bytes), taken);
        assert_int_not_equal(conn_ops(&line.conn)->write(&line.conn, bytes, sizeof(bytes), &moved),
                             IO_FAILED);
        if (moved < sizeof(bytes))
            break;
        taken += moved;
    }
    line_close(&line);
}

static void test_records_left_behind_are_told_one_by_one(void **state)
{
    (void)state;
    for_each_line(tells_each_record);
}

static void key_updates(const struct line_options *options)
{
    struct line line;
    uint64_t up = 0;
    uint64_t down = 0;
    int end;

    if (options->version != TLS1_3_VERSION)
        return;
    line_start(&line, options);
    for (int i = 0; i < 200; i++) {
        size_t size = i % 3 == 0 ? 1 : i % 3 == 1 ? 16384 : 500;

        if (i % 10 == 0)
            assert_int_equal(SSL_key_update(line.peer, i % 20 == 0 ? SSL_KEY_UPDATE_REQUESTED
                                                                   : SSL_KEY_UPDATE_NOT_REQUESTED),
                             1);
        peer_write(&line, up, size);
        line_receive(&line, up, size);
        up += size;
        line_write(&line, down, size);
        for (size_t total = 0; total < size;) {
            peer_wait(&line);
            total += peer_read(&line, down + total, size - total, &end);
            assert_int_equal(end, SSL_ERROR_NONE);
        }
        down += size;
    }
    line_close(&line);
}

static void test_key_updates_change_nothing(void **state)
{
    (void)state;
    for_each_line(key_updates);
}

/* `messages` KeyUpdates in one go, then a byte. */
static void update_keys(struct line *line, int messages, uint64_t position)
{
    for (int i = 0; i < messages; i++) {
        ERR_clear_error();
        assert_int_equal(SSL_key_update(line->peer, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(line->peer), 1);
    }
    peer_write(line, position, 1);
    peer_wait_acknowledged(line->peer_fd);
    line_wait(line, POLLIN);
}

/* Reads that are skipped take turns, but no event. */
static void receive_patiently(struct line *line, uint64_t position, size_t size)
{
    size_t moved = 0;
    unsigned turns = 0;

    while (line_read(line, position, size, &moved) == IO_BLOCKED) {
        assert_true(line->conn.ready_in);
        assert_true(turns++ < 10);
    }
    assert_int_equal(moved, size);
}

static void test_flood_of_key_updates_is_refused(void **state)
{
    struct line line;
    enum io_result result;
    size_t moved;

    (void)state;
    line_start(&line, &(struct line_options){.version = TLS1_3_VERSION, .role = TLS_SERVER});
    /* Some are fine, time and again. */
    for (int i = 0; i < 100; i++) {
        update_keys(&line, i < 95 ? 20 : 100, (uint64_t)i);
        receive_patiently(&line, (uint64_t)i, 1);
    }
    /* Too many at once are not, and cost no more than those that are tolerated. */
    update_keys(&line, 1000, 100);
    while ((result = line_read(&line, 0, 100, &moved)) == IO_BLOCKED)
        assert_true(line.conn.ready_in);
    assert_int_equal(result, IO_FAILED);
    assert_fault(&line, TLS_FAULT_PROTOCOL, "too many messages without data");
    assert_int_equal(line.conn.error, EPROTO);
    line_close(&line);
}

static void test_key_updates_between_bytes_share_the_turn(void **state)
{
    struct line line;
    size_t moved;
    size_t total = 0;

    (void)state;
    line_start(&line, &(struct line_options){.version = TLS1_3_VERSION, .role = TLS_SERVER});
    for (int i = 0; i < 100; i++)
        update_keys(&line, 5, (uint64_t)i);
    while (total < 100) {
        enum io_result result = line_read(&line, total, 65536, &moved);

        assert_true(result == IO_MOVED || result == IO_BLOCKED);
        assert_true(moved <= 4);
        total += moved;
        assert_true(line.conn.ready_in || total == 100);
    }
    line_close(&line);
}

static void test_many_small_records_share_the_turn(void **state)
{
    struct line line;
    size_t total = 0;
    size_t moved;

    (void)state;
    line_start(&line, &(struct line_options){.version = TLS1_3_VERSION, .role = TLS_SERVER});
    for (int i = 0; i < 500; i++)
        peer_write(&line, (uint64_t)i, 1);
    peer_wait_acknowledged(line.peer_fd);
    line_wait(&line, POLLIN);
    while (total < 500) {
        assert_int_equal(line_read(&line, total, 65536, &moved), IO_MOVED);
        assert_true(moved <= 64);
        total += moved;
        assert_true(line.conn.ready_in || total == 500);
    }
    line_close(&line);
}

static void test_renegotiation_is_refused(void **state)
{
    struct line line;
    size_t moved;
    int end;

    (void)state;
    line_start(&line, &(struct line_options){.version = TLS1_2_VERSION, .role = TLS_SERVER});
    assert_int_equal(SSL_renegotiate(line.peer), 1);
    SSL_do_handshake(line.peer);
    ERR_clear_error();
    line_wait(&line, POLLIN);
    assert_int_equal(line_read(&line, 0, 100, &moved), IO_BLOCKED);
    assert_int_equal(tls_conn_fault(&line.conn), TLS_FAULT_NONE);
    /* The peer learns it by the alert no_renegotiation. */
    peer_wait(&line);
    peer_read(&line, 0, 100, &end);
    assert_int_equal(end, SSL_ERROR_SSL);
    line_close(&line);
}

/* ---- ends -------------------------------------------------------------------------------------
 */

static void peer_ends_first(const struct line_options *options)
{
    struct line line;
    int end;

    line_start(&line, options);
    peer_write(&line, 0, 1000);
    peer_notify(&line);
    peer_fin(&line);
    line_wait(&line, POLLRDHUP);
    line_receive(&line, 0, 1000);
    assert_false(line.conn.eof);
    assert_int_equal(line_read_end(&line), IO_ENDED);
    assert_true(line.conn.eof);
    assert_false(tls_conn_was_lenient(&line.conn));
    /* The other direction goes on. */
    line_write(&line, 0, 20000);
    peer_wait(&line);
    assert_int_equal(peer_read(&line, 0, 16384, &end), 16384);
    assert_int_equal(end, SSL_ERROR_NONE);
    line_shut(&line);
    peer_expect_end(&line, 16384, 20000 - 16384);
    line_close(&line);
}

static void test_peer_that_ends_first_may_be_written_to(void **state)
{
    (void)state;
    for_each_line(peer_ends_first);
}

static void conn_ends_first(const struct line_options *options)
{
    struct line line;

    line_start(&line, options);
    line_write(&line, 0, 1000);
    line_shut(&line);
    peer_expect_end(&line, 0, 1000);
    peer_write(&line, 0, 16384);
    line_receive(&line, 0, 16384);
    peer_notify(&line);
    peer_fin(&line);
    assert_int_equal(line_read_end(&line), IO_ENDED);
    assert_int_equal(tls_conn_fault(&line.conn), TLS_FAULT_NONE);
    line_close(&line);
}

static void test_conn_that_ends_first_goes_on_reading(void **state)
{
    (void)state;
    for_each_line(conn_ends_first);
}

static void both_end_at_once(const struct line_options *options)
{
    struct line line;

    line_start(&line, options);
    peer_write(&line, 0, 10);
    peer_notify(&line);
    line_write(&line, 0, 10);
    line_shut(&line);
    line_receive(&line, 0, 10);
    assert_int_equal(line_read_end(&line), IO_ENDED);
    peer_expect_end(&line, 0, 10);
    line_close(&line);
}

static void test_both_may_end_at_once(void **state)
{
    (void)state;
    for_each_line(both_end_at_once);
}

static void bare_fin(const struct line_options *options)
{
    struct line line;
    size_t moved;

    line_start(&line, options);
    peer_write(&line, 0, 1000);
    peer_fin(&line);
    line_wait(&line, POLLRDHUP);
    line_receive(&line, 0, 1000);
    assert_int_equal(line_read_end(&line), IO_FAILED);
    assert_fault(&line, TLS_FAULT_TRUNCATED, "without close_notify");
    assert_int_equal(line.conn.error, 0);
    assert_false(line.conn.eof);
    assert_int_equal(line_read(&line, 0, 100, &moved), IO_FAILED);
    line_close(&line);
}

static void test_bare_fin_is_no_end(void **state)
{
    (void)state;
    for_each_line(bare_fin);
}

static void bare_fin_leniently(const struct line_options *options)
{
    struct line_options lenient = *options;
    struct line line;
    int end;

    lenient.is_lenient = true;
    line_start(&line, &lenient);
    peer_write(&line, 0, 1000);
    peer_fin(&line);
    line_wait(&line, POLLRDHUP);
    line_receive(&line, 0, 1000);
    assert_int_equal(line_read_end(&line), IO_ENDED);
    assert_true(line.conn.eof);
    assert_true(tls_conn_was_lenient(&line.conn));
    assert_int_equal(tls_conn_fault(&line.conn), TLS_FAULT_NONE);
    /* And the answer still arrives. */
    line_write(&line, 0, 1000);
    peer_wait(&line);
    assert_int_equal(peer_read(&line, 0, 1000, &end), 1000);
    line_shut(&line);
    peer_expect_end(&line, 1000, 0);
    line_close(&line);
}

static void test_bare_fin_is_an_end_when_lenient(void **state)
{
    (void)state;
    for_each_line(bare_fin_leniently);
}

/* The first `size` bytes of a record of 1000 bytes, then FIN. */
static void cut_record(const struct line_options *options, int size)
{
    struct line line;
    unsigned char bytes[1000];

    line_start(&line, options);
    peer_write(&line, 0, 100);
    line_receive(&line, 0, 100);
    use_memory(&line);
    pattern_fill(bytes, sizeof(bytes), 0);
    assert_int_equal(SSL_write(line.peer, bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(feed_conn(&line, size), size);
    peer_fin(&line);
    line_wait(&line, POLLRDHUP);
    assert_int_equal(line_read_end(&line), IO_FAILED);
    assert_fault(&line, TLS_FAULT_TRUNCATED, "in the middle of a record");
    line_close(&line);
}

static void cut_records(const struct line_options *options)
{
    struct line_options lenient = *options;

    lenient.is_lenient = true;
    for (int size = 1; size < 1000; size = size < 10 ? size + 1 : size * 3) {
        cut_record(options, size);
        cut_record(&lenient, size);
    }
}

static void test_cut_record_is_never_an_end(void **state)
{
    (void)state;
    for_each_line(cut_records);
}

/* After our close_notify: a TLS 1.2 peer may answer by closing, one of TLS 1.3 may not. */
static void answers_by_closing(const struct line_options *options)
{
    struct line line;

    line_start(&line, options);
    line_shut(&line);
    peer_expect_end(&line, 0, 0);
    peer_fin(&line);
    if (options->version == TLS1_2_VERSION) {
        assert_int_equal(line_read_end(&line), IO_ENDED);
        assert_true(tls_conn_was_lenient(&line.conn));
    } else {
        assert_int_equal(line_read_end(&line), IO_FAILED);
        assert_fault(&line, TLS_FAULT_TRUNCATED, "without close_notify");
    }
    line_close(&line);
}

static void test_tls12_peer_may_answer_close_notify_by_closing(void **state)
{
    (void)state;
    for_each_line(answers_by_closing);
}

static void resets(const struct line_options *options)
{
    struct line line;

    line_start(&line, options);
    peer_write(&line, 0, 1000);
    peer_reset(&line.peer_fd);
    line_wait(&line, POLLRDHUP);
    line_receive(&line, 0, 1000);
    assert_int_equal(line_read_end(&line), IO_FAILED);
    assert_int_equal(line.conn.error, ECONNRESET);
    assert_int_equal(tls_conn_fault(&line.conn), TLS_FAULT_NONE);
    assert_string_equal(tls_conn_fault_text(&line.conn), "");
    line_close(&line);
}

static void test_reset_stays_a_reset(void **state)
{
    (void)state;
    for_each_line(resets);
}

/* A write meets the reset first: what came before it can still be read, and it is no end. */
static void write_meets_reset(const struct line_options *options)
{
    struct line line;
    size_t moved = 0;

    line_start(&line, options);
    peer_write(&line, 0, 1000);
    peer_reset(&line.peer_fd);
    line_wait(&line, POLLRDHUP);
    assert_int_equal(conn_ops(&line.conn)->write(&line.conn, "x", 1, &moved), IO_FAILED);
    assert_int_equal(conn_ops(&line.conn)->write(&line.conn, "x", 1, &moved), IO_FAILED);
    line_receive(&line, 0, 1000);
    assert_int_equal(line_read_end(&line), IO_FAILED);
    assert_int_equal(line.conn.error, ECONNRESET);
    assert_int_equal(tls_conn_fault(&line.conn), TLS_FAULT_NONE);
    line_close(&line);
}

static void test_reset_met_by_a_write_keeps_what_came_before(void **state)
{
    (void)state;
    for_each_line(write_meets_reset);
}

/* The peer ended, then vanished: the write fails, yet the stream was complete. */
static void ends_then_vanishes(const struct line_options *options)
{
    struct line line;
    size_t moved = 0;
    int end;

    line_start(&line, options);
    peer_write(&line, 0, 1000);
    peer_read(&line, 0, 1, &end); /* tickets: unread, they would make a reset of the close */
    peer_notify(&line);
    peer_close(&line.peer_fd);
    line_wait(&line, POLLRDHUP);
    line_write(&line, 0, 100);
    line_wait(&line, POLLERR);
    assert_int_equal(conn_ops(&line.conn)->write(&line.conn, "x", 1, &moved), IO_FAILED);
    assert_int_equal(line.conn.error, EPIPE);
    line_receive(&line, 0, 1000);
    assert_int_equal(line_read_end(&line), IO_ENDED);
    line_close(&line);
}

static void test_complete_stream_stays_complete_when_its_peer_vanishes(void **state)
{
    (void)state;
    for_each_line(ends_then_vanishes);
}

static void corrupt(const struct line_options *options)
{
    struct line line;
    unsigned char record[100] = {23, 3, 3, 0, 95};
    size_t moved;

    line_start(&line, options);
    peer_write(&line, 0, 1000);
    send_junk(&line, record, sizeof(record));
    line_wait(&line, POLLIN);
    /* The bytes before the failure come first. */
    line_receive(&line, 0, 1000);
    assert_int_equal(line_read_end(&line), IO_FAILED);
    assert_fault(&line, TLS_FAULT_PROTOCOL, "decryption failed or bad record mac");
    assert_int_equal(line.conn.error, EPROTO);
    assert_int_equal(line_read(&line, 0, 100, &moved), IO_FAILED);
    assert_int_equal(conn_ops(&line.conn)->write(&line.conn, "x", 1, &moved), IO_FAILED);
    line_close(&line);
}

static void test_corrupt_record_breaks_behind_the_data(void **state)
{
    (void)state;
    for_each_line(corrupt);
}

static void test_failing_conn_leaves_nothing_for_the_next(void **state)
{
    const struct line_options options = {.version = TLS1_3_VERSION, .role = TLS_SERVER};
    unsigned char record[100] = {23, 3, 3, 0, 95};
    struct line good;
    struct line bad;
    size_t moved;

    (void)state;
    line_start(&good, &options);
    line_start(&bad, &options);
    send_junk(&bad, record, sizeof(record));
    line_wait(&bad, POLLIN);
    assert_int_equal(line_read_end(&bad), IO_FAILED);
    assert_int_equal(ERR_peek_error(), 0);
    conn_look_again(&good.conn);
    assert_int_equal(line_read(&good, 0, 100, &moved), IO_BLOCKED);
    /* Nor does what others leave on the queue harm a conn. */
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    conn_look_again(&good.conn);
    assert_int_equal(line_read(&good, 0, 100, &moved), IO_BLOCKED);
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    line_write(&good, 0, 100);
    line_close(&bad);
    line_close(&good);
}

/* The end waits for room in the socket, and then is passed on. */
static void end_waits(const struct line_options *options)
{
    struct line_options sized = *options;
    struct line line;
    static unsigned char bytes[65536];
    uint64_t taken = 0;
    uint64_t total = 0;
    enum io_result result;
    int end = SSL_ERROR_NONE;

    sized.send_buffer = 8192;
    sized.receive_buffer = 8192;
    line_start(&line, &sized);
    /* Whole records, until one would block; the rest of that one goes out by and by. */
    while (line.conn.ready_out) {
        size_t moved = 0;

        pattern_fill(bytes, 1000, taken);
        result = conn_ops(&line.conn)->write(&line.conn, bytes, 1000, &moved);
        assert_true(result == IO_MOVED || result == IO_BLOCKED);
        taken += moved;
    }
    for (int i = 0; i < 1000 && !line.conn.ready_out; i++) {
        size_t moved = 0;

        total += peer_read(&line, total, 100, &end);
        line_note(&line, POLLOUT, 1);
        if (!line.conn.ready_out)
            continue;
        pattern_fill(bytes, 1000, taken);
        result = conn_ops(&line.conn)->write(&line.conn, bytes, 1000, &moved);
        taken += moved;
        if (result == IO_MOVED)
            break;
    }
    result = conn_ops(&line.conn)->shutdown_write(&line.conn);
    for (int i = 0; i < 10000 && result == IO_BLOCKED; i++) {
        assert_false(line.conn.ready_out);
        assert_false(line.conn.fin_out);
        total += peer_read(&line, total, 4096, &end);
        if (line_note(&line, POLLOUT, 1))
            result = conn_ops(&line.conn)->shutdown_write(&line.conn);
    }
    assert_int_equal(result, IO_MOVED);
    while (end == SSL_ERROR_NONE) {
        peer_wait(&line);
        total += peer_read(&line, total, 65536, &end);
    }
    assert_int_equal(end, SSL_ERROR_ZERO_RETURN);
    assert_int_equal(total, taken);
    line_close(&line);
}

/* Memory for what the socket did not take is missing behind a part that it took. That part counts;
   the failure is told by the next call, which nobody has to wait for. */
static void failure_behind_a_part(const struct line_options *options)
{
    struct line_options sized = *options;
    struct line line;
    static unsigned char bytes[65536];
    size_t moved = 0;

    sized.send_buffer = 32768;
    sized.receive_buffer = 8192;
    line_start(&line, &sized);
    pattern_fill(bytes, sizeof(bytes), 0);
    malloc_fails = true;
    assert_int_equal(conn_ops(&line.conn)->write(&line.conn, bytes, sizeof(bytes), &moved),
                     IO_MOVED);
    assert_in_range(moved, 1, sizeof(bytes) - 1);
    assert_true(line.conn.ready_out);
    assert_int_equal(line.conn.error, ENOMEM);
    assert_int_equal(
        conn_ops(&line.conn)->write(&line.conn, bytes + moved, sizeof(bytes) - moved, &moved),
        IO_FAILED);
    malloc_fails = false;
    line_close(&line);
}

static void test_a_failure_behind_a_part_needs_no_event(void **state)
{
    (void)state;
    for_each_line(failure_behind_a_part);
}

static void test_end_waits_for_room(void **state)
{
    (void)state;
    for_each_line(end_waits);
}

/* Raw bytes behind the peer's close_notify do not turn the close into a reset. */
static void test_close_drops_bytes_behind_the_end(void **state)
{
    struct line line;

    (void)state;
    line_start(&line, &(struct line_options){.version = TLS1_3_VERSION, .role = TLS_SERVER});
    peer_notify(&line);
    line_wait(&line, POLLIN);
    assert_int_equal(line_read_end(&line), IO_ENDED);
    send_junk(&line, "behind the end", 14);
    line_wait(&line, POLLIN);
    line_write(&line, 0, 1000);
    line_shut(&line);
    conn_close(&line.conn);
    peer_expect_end(&line, 0, 1000);
    assert_false((peer_poll(line.peer_fd, POLLIN, 10) & POLLERR) != 0);
    line_close(&line);
}

static void test_reset_tells_no_close_notify(void **state)
{
    struct line line;
    char byte;

    (void)state;
    line_start(&line, &(struct line_options){.version = TLS1_2_VERSION, .role = TLS_SERVER});
    conn_reset(&line.conn);
    peer_wait(&line);
    assert_int_equal(read(line.peer_fd, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    line_close(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_completes),
        cmocka_unit_test(test_handshake_may_come_in_single_bytes),
        cmocka_unit_test(test_handshake_cut_at_any_byte_fails_in_words),
        cmocka_unit_test(test_handshake_refuses_what_is_no_tls),
        cmocka_unit_test(test_handshake_says_what_does_not_fit),
        cmocka_unit_test(test_distrust_is_told_in_words_on_both_sides),
        cmocka_unit_test(test_denied_identity_is_named),
        cmocka_unit_test(test_bytes_arrive_unchanged),
        cmocka_unit_test(test_pending_bytes_need_no_event),
        cmocka_unit_test(test_short_recv_saves_the_next_one),
        cmocka_unit_test(test_several_records_come_in_one_read),
        cmocka_unit_test(test_full_socket_takes_a_part),
        cmocka_unit_test(test_records_left_behind_are_told_one_by_one),
        cmocka_unit_test(test_key_updates_change_nothing),
        cmocka_unit_test(test_flood_of_key_updates_is_refused),
        cmocka_unit_test(test_key_updates_between_bytes_share_the_turn),
        cmocka_unit_test(test_many_small_records_share_the_turn),
        cmocka_unit_test(test_renegotiation_is_refused),
        cmocka_unit_test(test_peer_that_ends_first_may_be_written_to),
        cmocka_unit_test(test_conn_that_ends_first_goes_on_reading),
        cmocka_unit_test(test_both_may_end_at_once),
        cmocka_unit_test(test_bare_fin_is_no_end),
        cmocka_unit_test(test_bare_fin_is_an_end_when_lenient),
        cmocka_unit_test(test_cut_record_is_never_an_end),
        cmocka_unit_test(test_tls12_peer_may_answer_close_notify_by_closing),
        cmocka_unit_test(test_reset_stays_a_reset),
        cmocka_unit_test(test_reset_met_by_a_write_keeps_what_came_before),
        cmocka_unit_test(test_complete_stream_stays_complete_when_its_peer_vanishes),
        cmocka_unit_test(test_corrupt_record_breaks_behind_the_data),
        cmocka_unit_test(test_failing_conn_leaves_nothing_for_the_next),
        cmocka_unit_test(test_end_waits_for_room),
        cmocka_unit_test(test_a_failure_behind_a_part_needs_no_event),
        cmocka_unit_test(test_close_drops_bytes_behind_the_end),
        cmocka_unit_test(test_reset_tells_no_close_notify),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
