/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket.h - opening listening and connecting sockets with the right options.
 *
 * Every socket is non-blocking and close-on-exec. Options that Linux lets an accepted socket
 * inherit (TCP_NODELAY, SO_OOBINLINE, keepalive, TCP_USER_TIMEOUT, buffer sizes) are set on the
 * listening socket, so that an accept costs one call.
 */
#ifndef CULVERT_NET_SOCKET_H
#define CULVERT_NET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base.h"
#include "core/error.h"
#include "net/addr.h"

/* Options of a session's socket; times in milliseconds, 0 = off; sizes in bytes, 0 = auto. */
struct socket_options {
    bool nodelay;
    int64_t keepalive_ms;
    int64_t keepalive_interval_ms;
    int keepalive_probes;
    int64_t user_timeout_ms;
    int send_buffer;
    int receive_buffer;
};

struct listen_options {
    int backlog;
    bool reuse_port; /* let other processes bind the address, too */
    bool v6_only;
    bool freebind;
    bool transparent; /* take connections to addresses that are not this machine's */
    int64_t defer_accept_ms;
    mode_t socket_mode; /* of a unix socket's file */
    gid_t socket_group; /* (gid_t)-1 = leave */
    struct socket_options socket;
};

/*
 * Opens `count` listening sockets on one address into `fds`, one per worker (SO_REUSEPORT,
 * socket(7)). The first is bound without SO_REUSEPORT, so that an address another process listens
 * on is found busy; then the option is set on it and the others join. Port 0: the kernel chooses
 * once, all share it. A unix address has one socket: fds[0], the rest are -1. An AF_INET6 wildcard
 * without v6_only also serves IPv4 (RFC 3493, 5.3).
 *
 * A unix path whose file is a socket nobody listens on is replaced; a live one, or any other kind
 * of file, or a symbolic link, is an error. The mode is in force before the first connect can
 * succeed.
 *
 * On failure nothing stays open, and the error (exit code 69 or 77) says what to do.
 */
bool socket_listen(const struct addr *addr, const struct listen_options *options, int *fds,
                   int count, struct error *error) CULVERT_MUST_CHECK;

/* The address the socket is bound to (getsockname(2)); for port 0. */
bool socket_local_addr(int fd, struct addr *addr);

/*
 * Removes the file of a unix listening socket after the socket was closed; other addresses:
 * nothing. A file that is no socket, or on which somebody listens by now, stays.
 */
void socket_unlink(const struct addr *addr);

/*
 * Opens a socket for `addr`, not yet connected: -1 with errno otherwise. Its buffer sizes and
 * TCP_NODELAY are set; keepalive and user timeout are for socket_guard(). SO_OOBINLINE is always
 * set (an urgent byte stays in the stream).
 */
int socket_open(const struct addr *addr, const struct socket_options *options);

/* Starts a non-blocking connect(2): 0 when connected already (unix), EINPROGRESS, or the errno. */
int socket_connect(int fd, const struct addr *addr);

/*
 * Keepalive and TCP_USER_TIMEOUT for a connecting or connected TCP socket. They matter to a
 * connection that lasts; most are over before, so the caller sets them when one has lasted for a
 * while.
 */
void socket_guard(int fd, const struct socket_options *options);

/* close(2) that resets a TCP connection: SO_LINGER {1, 0} first (socket(7)). */
void socket_reset_close(int fd);

/* Closes a TCP socket without a packet to its peer. False, and open, without CAP_NET_ADMIN. */
bool socket_forget(int fd) CULVERT_MUST_CHECK;

/* Bytes in the send queue that the other side has not acknowledged (SIOCOUTQ, tcp(7)); 0 on any
   error. Of a unix socket the kernel tells the memory, not the bytes: only whether it is 0 counts.
 */
int socket_unacknowledged(int fd);

#endif
