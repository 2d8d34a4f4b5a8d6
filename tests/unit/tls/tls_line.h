/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_line.h - for tests: a TLS conn and its peer, which is OpenSSL by itself over the other
 * socket.
 *
 * The peer's calls wait in poll(2) with a deadline. Include <cmocka.h> before.
 */
#ifndef CULVERT_TEST_TLS_TLS_LINE_H
#define CULVERT_TEST_TLS_TLS_LINE_H

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "net/conn.h"
#include "net/tcp_pair.h"
#include "tls/tls_conn.h"
#include "tls/tls_internal.h"
#include "tls/tls_policy.h"

/* Which protocol and which part the conn plays. */
struct line_options {
    int version; /* TLS1_2_VERSION, TLS1_3_VERSION */
    enum tls_role role;
    bool is_lenient;
    bool is_wary;       /* the conn, a client, verifies its peer */
    bool is_expired;    /* the peer's certificate, which is then known */
    int send_buffer;    /* of the conn's socket, 0 = automatic */
    int receive_buffer; /* of the peer's socket */
};

struct line {
    struct conn conn;
    struct tls_context context;
    int peer_fd;
    SSL *peer;
};

/* A self-signed ECDSA P-256 certificate for "culvert.test", and its key. */
static inline void make_certificate(SSL_CTX *ctx, long valid_from_s, long valid_to_s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *name;

    assert_non_null(key);
    assert_non_null(certificate);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), valid_from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), valid_to_s);
    X509_set_pubkey(certificate, key);
    name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"culvert.test", -1,
                               -1, 0);
    X509_set_issuer_name(certificate, name);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static inline SSL_CTX *make_ssl_ctx(enum tls_role role, int version)
{
    SSL_CTX *ctx = SSL_CTX_new(role == TLS_SERVER ? TLS_server_method() : TLS_client_method());

    assert_non_null(ctx);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    if (role == TLS_SERVER)
        make_certificate(ctx, -3600, 3600);
    return ctx;
}

static inline enum tls_role other_role(enum tls_role role)
{
    return role == TLS_SERVER ? TLS_CLIENT : TLS_SERVER;
}

/* Both ends, before the handshake. */
static inline void line_open(struct line *line, const struct line_options *options)
{
    static const struct tls_target target = {.server_name = "culvert.test", .session_key = 1};
    static const struct tls_policy policy = {.keylog_fd = -1}; /* everybody may take part */
    SSL_CTX *peer_ctx = make_ssl_ctx(other_role(options->role), options->version);
    int pair[2];

    memset(line, 0, sizeof(*line));
    tcp_pair_sized(pair, options->send_buffer, options->receive_buffer);
    line->context = (struct tls_context){.ssl_ctx = make_ssl_ctx(options->role, options->version),
                                         .references = 1,
                                         .role = options->role,
                                         .policy = &policy,
                                         .lenient_truncation = options->is_lenient};
    tls_conn_configure(line->context.ssl_ctx);
    if (options->is_wary)
        SSL_CTX_set_verify(line->context.ssl_ctx, SSL_VERIFY_PEER, NULL);
    if (options->is_expired) {
        make_certificate(peer_ctx, -7200, -3600);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(line->context.ssl_ctx),
                            SSL_CTX_get0_certificate(peer_ctx));
    }
    conn_init(&line->conn);
    conn_open(&line->conn, pair[0], true);
    line->conn.ready_out = true;
    assert_true(
        tls_conn_start(&line->conn, &line->context, options->role == TLS_CLIENT ? &target : NULL));
    line->peer_fd = pair[1];
    line->peer = SSL_new(peer_ctx);
    SSL_CTX_free(peer_ctx);
    SSL_set_fd(line->peer, pair[1]);
    if (options->role == TLS_SERVER)
        SSL_set_connect_state(line->peer);
    else
        SSL_set_accept_state(line->peer);
}

static inline void line_close(struct line *line)
{
    conn_close(&line->conn);
    assert_int_equal(line->context.references, 1);
    SSL_CTX_free(line->context.ssl_ctx);
    SSL_free(line->peer);
    peer_close(&line->peer_fd);
    assert_int_equal(ERR_peek_error(), 0);
}

/* What the event loop would have noted by now; waits for it up to `timeout_ms`. */
static inline bool line_note(struct line *line, short events, int timeout_ms)
{
    short told = peer_poll(line->conn.fd, events, timeout_ms);
    short what = 0;

    if ((told & POLLIN) != 0)
        what |= EV_READ;
    if ((told & POLLOUT) != 0)
        what |= EV_WRITE;
    if ((told & (POLLRDHUP | POLLHUP)) != 0)
        what |= EV_CLOSED;
    if ((told & POLLERR) != 0)
        what |= EV_READ | EV_WRITE;
    if (what != 0)
        conn_note_event(&line->conn, what);
    return what != 0;
}

static inline void line_wait(struct line *line, short events)
{
    assert_true(line_note(line, events, TCP_PAIR_DEADLINE_MS));
}

/* One step of the handshake on both sides: the conn's answer. */
static inline enum io_result line_step(struct line *line)
{
    ERR_clear_error();
    SSL_do_handshake(line->peer);
    ERR_clear_error();
    line_note(line, POLLIN | POLLRDHUP, 1);
    return tls_conn_handshake(&line->conn);
}

/* Makes the handshake; IO_FAILED when the conn's side fails. */
static inline enum io_result line_shake(struct line *line)
{
    enum io_result result = IO_BLOCKED;

    for (int i = 0; i < TCP_PAIR_DEADLINE_MS; i++) {
        if (result == IO_BLOCKED)
            result = line_step(line);
        else
            SSL_do_handshake(line->peer);
        ERR_clear_error();
        if (result == IO_FAILED || (result == IO_MOVED && SSL_is_init_finished(line->peer) == 1))
            return result;
    }
    return IO_BLOCKED;
}

static inline void line_start(struct line *line, const struct line_options *options)
{
    line_open(line, options);
    assert_int_equal(line_shake(line), IO_MOVED);
}

/* The peer sends `size` bytes of the pattern as one SSL_write, which the buffers have room for. */
static inline void peer_write(struct line *line, uint64_t position, size_t size)
{
    unsigned char bytes[16384];

    assert_true(size <= sizeof(bytes));
    pattern_fill(bytes, size, position);
    ERR_clear_error();
    assert_int_equal(SSL_write(line->peer, bytes, (int)size), size);
}

/* The peer reads what has come, at most `size` bytes, which must be the pattern from `position`.
   `*end`: SSL_ERROR_ZERO_RETURN or the like when it ended behind them, SSL_ERROR_NONE while open.
 */
static inline size_t peer_read(struct line *line, uint64_t position, size_t size, int *end)
{
    unsigned char bytes[16384];
    unsigned char expected[16384];
    size_t total = 0;

    *end = SSL_ERROR_NONE;
    while (total < size) {
        size_t want = size - total < sizeof(bytes) ? size - total : sizeof(bytes);
        int count;

        ERR_clear_error();
        count = SSL_read(line->peer, bytes, (int)want);
        if (count > 0) {
            pattern_fill(expected, (size_t)count, position + total);
            assert_memory_equal(bytes, expected, (size_t)count);
            total += (size_t)count;
            continue;
        }
        *end = SSL_get_error(line->peer, count);
        ERR_clear_error();
        if (*end == SSL_ERROR_WANT_READ) {
            *end = SSL_ERROR_NONE;
            break;
        }
        break;
    }
    return total;
}

/* The conn reads once, at most `size` bytes, which must be the pattern from `position`. */
static inline enum io_result line_read(struct line *line, uint64_t position, size_t size,
                                       size_t *moved)
{
    static unsigned char bytes[1 << 18];
    static unsigned char expected[1 << 18];
    enum io_result result;

    assert_true(size <= sizeof(bytes));
    *moved = 0;
    result = conn_ops(&line->conn)->read(&line->conn, bytes, size, moved);
    if (result == IO_MOVED) {
        assert_true(*moved > 0 && *moved <= size);
        pattern_fill(expected, *moved, position);
        assert_memory_equal(bytes, expected, *moved);
    } else {
        assert_int_equal(*moved, 0);
    }
    return result;
}

/* The conn reads until `size` bytes have come; waits for events where it must. */
static inline void line_receive(struct line *line, uint64_t position, size_t size)
{
    size_t total = 0;

    for (int i = 0; i < 100000 && total < size; i++) {
        size_t moved;
        enum io_result result = line_read(line, position + total, 65536, &moved);

        assert_true(result == IO_MOVED || result == IO_BLOCKED);
        total += moved;
        if (result == IO_BLOCKED)
            line_wait(line, POLLIN | POLLRDHUP);
    }
    assert_int_equal(total, size);
}

/* The conn reads until the stream is over: how it ended. */
static inline enum io_result line_read_end(struct line *line)
{
    for (int i = 0; i < 100000; i++) {
        size_t moved;
        enum io_result result = line_read(line, 0, 65536, &moved);

        if (result == IO_ENDED || result == IO_FAILED)
            return result;
        if (result == IO_BLOCKED)
            line_wait(line, POLLIN | POLLRDHUP);
    }
    return IO_BLOCKED;
}

/* The conn writes `size` bytes of the pattern in one call, which the socket has room for. */
static inline void line_write(struct line *line, uint64_t position, size_t size)
{
    static unsigned char bytes[1 << 18];
    size_t moved = 0;

    assert_true(size <= sizeof(bytes));
    pattern_fill(bytes, size, position);
    assert_int_equal(conn_ops(&line->conn)->write(&line->conn, bytes, size, &moved), IO_MOVED);
    assert_int_equal(moved, size);
}

/* The peer waits until something is there to read. */
static inline void peer_wait(struct line *line)
{
    assert_true((peer_poll(line->peer_fd, POLLIN, TCP_PAIR_DEADLINE_MS)) != 0);
}

#endif
