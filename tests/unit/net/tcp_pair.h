/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_pair.h - for tests: connected TCP sockets over loopback, and what a peer does with them.
 *
 * All sockets are non-blocking; what has to wait waits in poll(2) with a deadline and fails the
 * test behind it. Include <cmocka.h> before.
 */
#ifndef CULVERT_TEST_NET_TCP_PAIR_H
#define CULVERT_TEST_NET_TCP_PAIR_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <unistd.h>

#define TCP_PAIR_DEADLINE_MS 30000

/* How a stream of a peer ended. */
enum peer_end { PEER_OPEN, PEER_ENDED, PEER_RESET };

/* A listening socket on a loopback port of the kernel's choice; `receive_buffer` 0 = automatic. */
static inline int tcp_listen(uint16_t *port, int receive_buffer)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    if (receive_buffer > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 512), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &length), 0);
    *port = ntohs(addr.sin_port);
    return fd;
}

/* Starts to connect to a loopback port and returns at once. */
static inline int tcp_connect(uint16_t port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1)
        assert_int_equal(errno, EINPROGRESS);
    return fd;
}

/* Whether any of `events` (or an error) comes within the deadline. */
static inline short peer_poll(int fd, short events, int timeout_ms)
{
    struct pollfd look = {.fd = fd, .events = events};

    return poll(&look, 1, timeout_ms) == 1 ? look.revents : 0;
}

/*
 * A connected pair; a byte written to one end is read from the other. Sizes of the buffers, 0 =
 * automatic: `send_buffer` of pair[0], `receive_buffer` of pair[1].
 */
static inline void tcp_pair_sized(int pair[2], int send_buffer, int receive_buffer)
{
    uint16_t port;
    int on = 1;
    int listening = tcp_listen(&port, receive_buffer);

    pair[0] = tcp_connect(port);
    assert_true((peer_poll(listening, POLLIN, TCP_PAIR_DEADLINE_MS) & POLLIN) != 0);
    pair[1] = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_int_not_equal(pair[1], -1);
    close(listening);
    setsockopt(pair[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    for (int i = 0; i < 2; i++)
        setsockopt(pair[i], SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    if (send_buffer > 0)
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
}

static inline void tcp_pair(int pair[2])
{
    tcp_pair_sized(pair, 0, 0);
}

/* Closes with a reset and forgets the socket. */
static inline void peer_reset(int *fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(*fd);
    *fd = -1;
}

/* Closes and forgets the socket; harmless when that is done already. */
static inline void peer_close(int *fd)
{
    if (*fd != -1)
        close(*fd);
    *fd = -1;
}

/* The byte at this place of the stream that tests send: no short period. */
static inline unsigned char pattern_byte(uint64_t position)
{
    return (unsigned char)(position * 31 + position / 251);
}

static inline void pattern_fill(unsigned char *bytes, size_t size, uint64_t position)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern_byte(position + i);
}

/* Sends as much of the pattern from `position` on as the socket takes at once, at most `size`. */
static inline size_t peer_send_some(int fd, uint64_t position, size_t size)
{
    unsigned char bytes[16384];
    size_t sent = 0;

    while (sent < size) {
        size_t want = size - sent < sizeof(bytes) ? size - sent : sizeof(bytes);
        ssize_t count;

        pattern_fill(bytes, want, position + sent);
        count = send(fd, bytes, want, MSG_NOSIGNAL);
        if (count <= 0)
            break;
        sent += (size_t)count;
    }
    return sent;
}

/* Sends `size` bytes of the pattern, which the buffers must have room for. */
static inline void peer_send(int fd, uint64_t position, size_t size)
{
    assert_int_equal(peer_send_some(fd, position, size), size);
}

/*
 * Receives what is there, at most `size` bytes, and checks it against the pattern from `position`
 * on. `*end` becomes PEER_ENDED or PEER_RESET when the stream ended behind it.
 */
static inline size_t peer_receive_some(int fd, uint64_t position, size_t size, enum peer_end *end)
{
    unsigned char bytes[16384];
    unsigned char expected[16384];
    size_t received = 0;

    while (received < size) {
        size_t want = size - received < sizeof(bytes) ? size - received : sizeof(bytes);
        ssize_t count = recv(fd, bytes, want, 0);

        if (count == 0)
            *end = PEER_ENDED;
        else if (count == -1 && errno == ECONNRESET)
            *end = PEER_RESET;
        else if (count == -1)
            assert_int_equal(errno, EAGAIN);
        if (count <= 0)
            break;
        pattern_fill(expected, (size_t)count, position + received);
        assert_memory_equal(bytes, expected, (size_t)count);
        received += (size_t)count;
    }
    return received;
}

/* Waits until the kernel has nothing more to deliver from `fd` to its peer. */
static inline void peer_wait_acknowledged(int fd)
{
    int queued = 1;

    for (int i = 0; i < TCP_PAIR_DEADLINE_MS && queued != 0; i++) {
        assert_int_equal(ioctl(fd, SIOCOUTQ, &queued), 0);
        if (queued != 0)
            poll(NULL, 0, 1);
    }
    assert_int_equal(queued, 0);
}

#endif
