/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h - a connected socket of the benchmark that may speak TLS.
 *
 * Without TLS each call is the one system call it stands for. With TLS, TLS 1.3 alone is spoken. A
 * client reads all that is there at once, so bytes may be waiting in OpenSSL that the socket no
 * longer tells of: whoever waits for events asks stream_holds_bytes() before. A server reads record
 * by record; it holds nothing when its buffer has room for a record, 16 KiB.
 */
#ifndef CULVERT_BENCH_STREAM_H
#define CULVERT_BENCH_STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stream {
    int fd;
    SSL *ssl;            /* NULL: plain */
    SSL_SESSION *ticket; /* the newest that the peer gave; stays when the stream is closed */
};

/*
 * For stream_connect_tls(). `read_bytes` is how much is read from the socket at once, 0 for one
 * record. With `keeps_tickets` each stream keeps the tickets it gets, and its next connection
 * spends the last. The peer's certificate is not verified: that would cost the client alone.
 */
SSL_CTX *tls_client_context(size_t read_bytes, bool keeps_tickets);

/* For stream_accept_tls(); the PEM file holds the certificate and its key. NULL if it does not. */
SSL_CTX *tls_server_context(const char *certificate_file);

/* Makes TLS of a connected plain stream. Nothing is sent yet. False without memory. */
bool stream_connect_tls(struct stream *stream, SSL_CTX *context);
bool stream_accept_tls(struct stream *stream, SSL_CTX *context);

/* Goes on with a client's handshake: 1 when it is complete, otherwise as stream_receive(). A server
   makes its handshake while it receives. */
int stream_handshake(struct stream *stream);

bool stream_is_resumed(const struct stream *stream);

/* As recv() and send(): 0 is the end of the stream, -1 with EAGAIN when the socket would block,
   EPROTO when the peer broke the rules of TLS. `flags` count for plain streams only. */
ssize_t stream_receive(struct stream *stream, void *buffer, size_t size, int flags);
ssize_t stream_send(struct stream *stream, const void *data, size_t size, int flags);

/* Whether the next stream_receive() may return bytes that the socket no longer tells of. It may be
   but a part of a record: whoever repeats until this is false must stop at EAGAIN, too. */
bool stream_holds_bytes(const struct stream *stream);

/* Sends close_notify. Only for TLS, after the handshake. */
void stream_say_end(struct stream *stream);

/* Closes the socket, saying nothing more. The ticket stays. */
void stream_close(struct stream *stream);

#endif
