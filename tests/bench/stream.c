/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - a connected socket of the benchmark that may speak TLS.
 */
#include "stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

static const char server_name[] = "bench.test";

/* A send may take a part, and the rest may then be offered from another place. */
static const uint64_t modes = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER;

static int keep_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    struct stream *stream = SSL_get_app_data(ssl);
    SSL_SESSION_free(stream->ticket);
    stream->ticket = ticket;
    return 1; /* it is ours now */
}

SSL_CTX *tls_client_context(size_t read_bytes, bool keeps_tickets)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    /* One suite and one group, lest the relays' own preferences be compared. */
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(context, "X25519") != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_mode(context, modes);
    SSL_CTX_set_read_ahead(context, 1);
    /* Whether a relay answers close_notify in kind is not for a benchmark to judge: an end that
       comes too early fails anyway. */
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (read_bytes > 0) {
        SSL_CTX_set_default_read_buffer_len(context, read_bytes);
    }
    SSL_CTX_set_session_cache_mode(context, keeps_tickets
                                                ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
                                                : SSL_SESS_CACHE_OFF);
    if (keeps_tickets) {
        SSL_CTX_sess_set_new_cb(context, keep_ticket);
    }
    return context;
}

SSL_CTX *tls_server_context(const char *certificate_file)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_use_certificate_chain_file(context, certificate_file) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, certificate_file, SSL_FILETYPE_PEM) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_mode(context, modes);
    return context;
}

static bool start_tls(struct stream *stream, SSL_CTX *context)
{
    stream->ssl = SSL_new(context);
    if (stream->ssl == NULL || SSL_set_fd(stream->ssl, stream->fd) != 1) {
        SSL_free(stream->ssl);
        stream->ssl = NULL;
        return false;
    }
    SSL_set_app_data(stream->ssl, stream);
    return true;
}

bool stream_connect_tls(struct stream *stream, SSL_CTX *context)
{
    if (!start_tls(stream, context)) {
        return false;
    }
    SSL_set_connect_state(stream->ssl);
    bool is_set = SSL_set_tlsext_host_name(stream->ssl, server_name) == 1;
    if (stream->ticket != NULL) {
        is_set = is_set && SSL_set_session(stream->ssl, stream->ticket) == 1;
        SSL_SESSION_free(stream->ticket); /* used once */
        stream->ticket = NULL;
    }
    return is_set;
}

bool stream_accept_tls(struct stream *stream, SSL_CTX *context)
{
    if (!start_tls(stream, context)) {
        return false;
    }
    SSL_set_accept_state(stream->ssl);
    return true;
}

/* What a call that returned 0 or less means. The error queue is empty before each call, because
   nobody goes on with a stream that failed but to close it. */
static int outcome(const struct stream *stream, int result)
{
    int error = errno;
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        errno = error != 0 ? error : EPROTO;
        return -1;
    default:
        ERR_clear_error();
        errno = EPROTO;
        return -1;
    }
}

int stream_handshake(struct stream *stream)
{
    errno = 0;
    int result = SSL_do_handshake(stream->ssl);
    return result == 1 ? 1 : outcome(stream, result);
}

bool stream_is_resumed(const struct stream *stream)
{
    return SSL_session_reused(stream->ssl) == 1;
}

ssize_t stream_receive(struct stream *stream, void *buffer, size_t size, int flags)
{
    if (stream->ssl == NULL) {
        return recv(stream->fd, buffer, size, flags);
    }
    errno = 0;
    size_t received;
    int result = SSL_read_ex(stream->ssl, buffer, size, &received);
    return result == 1 ? (ssize_t)received : outcome(stream, result);
}

ssize_t stream_send(struct stream *stream, const void *data, size_t size, int flags)
{
    if (stream->ssl == NULL) {
        return send(stream->fd, data, size, flags);
    }
    errno = 0;
    size_t sent;
    int result = SSL_write_ex(stream->ssl, data, size, &sent);
    return result == 1 ? (ssize_t)sent : outcome(stream, result);
}

bool stream_holds_bytes(const struct stream *stream)
{
    return stream->ssl != NULL && SSL_has_pending(stream->ssl) == 1;
}

void stream_say_end(struct stream *stream)
{
    if (SSL_shutdown(stream->ssl) < 0) {
        ERR_clear_error();
    }
}

void stream_close(struct stream *stream)
{
    close(stream->fd);
    if (stream->ssl != NULL) {
        /* OpenSSL voids the ticket of a connection that did not end by the book. */
        SSL_set_shutdown(stream->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(stream->ssl);
    }
    stream->fd = -1;
    stream->ssl = NULL;
}
