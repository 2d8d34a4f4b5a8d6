/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_conn.h - TLS as an I/O method of a conn.
 *
 * OpenSSL runs on the socket itself through a small BIO of ours, which knows the conn: a recv that
 * brought less than was asked for is remembered, so that OpenSSL's next look costs no system call,
 * and the errno of the socket stays with the conn as it does for plain sockets.
 *
 * What the conn's operations answer (RFC 8446, 6.1; SSL_shutdown(3), SSL_get_error(3)):
 *
 * - read: close_notify -> IO_ENDED, this direction only; the peer may still be written to. A FIN
 *   without close_notify -> IO_FAILED, fault TLS_FAULT_TRUNCATED; IO_ENDED between records with
 *   `truncation = lenient`, and from a TLS 1.2 peer that has our close_notify (RFC 5246, 7.2.1).
 *   Anything else OpenSSL refuses -> IO_FAILED, fault TLS_FAULT_PROTOCOL, EPROTO. A failure comes
 *   behind the bytes before it.
 * - write: a partial write is IO_MOVED with what was taken, whole records of which every byte is
 *   with the kernel; the rest is offered again.
 * - shutdown_write: close_notify, then FIN.
 * - release: frees; never sends close_notify. Before a plain close, raw bytes that nobody will read
 *   are dropped, lest the kernel send a reset that overtakes what was written.
 *
 * `ready_in` stays set until OpenSSL wants to read: bytes that it holds are no longer in the socket
 * and no event tells of them, so a flow that stops on its budget must come back by the run queue.
 */
#ifndef CULVERT_TLS_TLS_CONN_H
#define CULVERT_TLS_TLS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "net/conn.h"
#include "net/proxy_guard.h"
#include "tls/tls_profile.h"

extern const struct conn_ops conn_tls_ops;

/* Why a TLS conn failed, where no errno of the socket tells. */
enum tls_fault {
    TLS_FAULT_NONE,
    TLS_FAULT_PROTOCOL,  /* OpenSSL refused what the peer sent, or the peer sent an alert */
    TLS_FAULT_TRUNCATED, /* the stream ended without close_notify */
    TLS_FAULT_IDENTITY,  /* the peer's certificate was not accepted, or is not one of allow_san */
    TLS_FAULT_MEMORY,    /* OpenSSL ran out of it or failed by itself: not the peer's; ENOMEM */
};

/* Towards whom a handshake is made; client role only. */
struct tls_target {
    const char *server_name; /* sent as SNI and verified; an IP literal is verified only; or NULL */
    uint64_t session_key;    /* sessions are kept for resumption under this key: of the server */
};

/*
 * Turns an open plain conn into a TLS conn; the handshake is still to be made. `target` is NULL in
 * the server role. False without memory: the conn is as before.
 */
bool tls_conn_start(struct conn *conn, struct tls_context *context,
                    const struct tls_target *target) CULVERT_MUST_CHECK;

/* Goes on with the handshake: IO_MOVED when it is complete and the peer accepted, IO_BLOCKED,
   IO_FAILED. One call does at most one expensive step (a signature or a key exchange). */
enum io_result tls_conn_handshake(struct conn *conn);

/* After IO_FAILED. The text is OpenSSL's own and what certificate verification found ("certificate
   verify failed: certificate has expired"); it lives as long as the conn is open. */
enum tls_fault tls_conn_fault(const struct conn *conn);
const char *tls_conn_fault_text(const struct conn *conn);

/* Whether an IO_ENDED stood for a FIN without close_notify. */
bool tls_conn_was_lenient(const struct conn *conn);

/* Of a complete handshake: "TLSv1.3"; whether it resumed a session. */
const char *tls_conn_version(const struct conn *conn);
bool tls_conn_is_resumed(const struct conn *conn);

/* Server role, after the handshake: the name that the client asked for, "" when none. */
const char *tls_conn_server_name(const struct conn *conn);

/* Whether the conn speaks TLS. */
static inline bool conn_is_tls(const struct conn *conn)
{
    return conn->method != NULL && conn->method->ops != &proxy_guard_ops;
}

#endif
