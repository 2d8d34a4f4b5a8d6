/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_server.c - the servers behind the relay: one port echoes, one sends bytes on request.
 */
#include "load.h"

#include "stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_PER_EVENT = 64 };

enum server_role { SERVER_ACCEPTS, SERVER_ECHOES, SERVER_SENDS };

/* A listening socket or an accepted connection. */
struct served {
    struct stream stream;
    enum server_role role;
    enum server_role accepted_role; /* of a listening socket: what its connections are for */
    bool waits_to_write;
    uint64_t to_send;   /* SERVER_SENDS: what the client asked for and did not get yet */
    unsigned requested; /* SERVER_SENDS: how many bytes of the next count are here */
    uint8_t request[sizeof(uint64_t)];
    uint8_t *residue; /* SERVER_ECHOES: what the socket did not take, or NULL */
    size_t residue_offset, residue_bytes;
};

static void served_close(struct served *served)
{
    if (served->stream.ssl != NULL) {
        stream_say_end(&served->stream);
    }
    stream_close(&served->stream);
    free(served->residue);
    free(served);
}

static void served_listen(int epoll, const struct options *options, unsigned number, uint16_t port,
                          enum server_role role)
{
    struct sockaddr_in address = address_of(options, number, port);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) == -1 || listen(fd, 4096) == -1) {
        fail("listen on port %u: %s", port, strerror(errno));
    }
    set_nodelay(fd); /* accepted sockets inherit it */
    struct served *listening = calloc(1, sizeof *listening);
    if (listening == NULL) {
        fail("out of memory");
    }
    *listening = (struct served){.stream.fd = fd, .role = SERVER_ACCEPTS, .accepted_role = role};
    epoll_set(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, listening);
}

static void served_accept(int epoll, SSL_CTX *tls, const struct served *listening)
{
    for (unsigned i = 0; i < ACCEPTS_PER_EVENT; i++) {
        int fd = accept4(listening->stream.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd == -1) {
            if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) {
                return;
            }
            fail("accept: %s", strerror(errno));
        }
        struct served *served = calloc(1, sizeof *served);
        if (served == NULL) {
            fail("out of memory");
        }
        served->stream.fd = fd;
        if (tls != NULL && !stream_accept_tls(&served->stream, tls)) {
            fail("out of memory");
        }
        served->role = listening->accepted_role;
        epoll_set(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, served);
    }
}

static void served_wait_to_write(int epoll, struct served *served, bool waits)
{
    if (waits != served->waits_to_write) {
        epoll_set(epoll, EPOLL_CTL_MOD, served->stream.fd, waits ? EPOLLOUT : EPOLLIN, served);
        served->waits_to_write = waits;
    }
}

/* False when the connection is over. */
static bool served_echo(int epoll, struct served *served)
{
    const uint8_t *data = scratch;
    ssize_t length;
    if (served->residue != NULL) {
        data = served->residue + served->residue_offset;
        length = (ssize_t)served->residue_bytes;
    } else {
        length = stream_receive(&served->stream, scratch, sizeof scratch, 0);
        if (length <= 0) {
            return length == -1 && (errno == EAGAIN || errno == EINTR);
        }
    }
    ssize_t sent = stream_send(&served->stream, data, (size_t)length, MSG_NOSIGNAL);
    if (sent == -1) {
        if (errno != EAGAIN && errno != EINTR) {
            return false;
        }
        sent = 0;
    }
    if (sent == length) {
        free(served->residue);
        served->residue = NULL;
    } else if (served->residue != NULL) {
        served->residue_offset += (size_t)sent;
        served->residue_bytes -= (size_t)sent;
    } else {
        served->residue_offset = 0;
        served->residue_bytes = (size_t)(length - sent);
        served->residue = malloc(served->residue_bytes);
        if (served->residue == NULL) {
            fail("out of memory");
        }
        memcpy(served->residue, data + sent, served->residue_bytes);
    }
    served_wait_to_write(epoll, served, served->residue != NULL);
    return true;
}

/* False when the connection is over. */
static bool served_send(int epoll, struct served *served)
{
    if (served->to_send == 0) {
        ssize_t length = stream_receive(&served->stream, served->request + served->requested,
                                        sizeof served->request - served->requested, 0);
        if (length <= 0) {
            return length == -1 && (errno == EAGAIN || errno == EINTR);
        }
        served->requested += (unsigned)length;
        if (served->requested < sizeof served->request) {
            return true;
        }
        served->requested = 0;
        memcpy(&served->to_send, served->request, sizeof served->to_send);
    }
    /* One buffer a turn keeps many sessions even; the poll is level-triggered. */
    size_t wanted = served->to_send < sizeof scratch ? (size_t)served->to_send : sizeof scratch;
    ssize_t sent = stream_send(&served->stream, scratch, wanted, MSG_NOSIGNAL);
    if (sent == -1 && errno != EAGAIN && errno != EINTR) {
        return false;
    }
    if (sent > 0) {
        served->to_send -= (uint64_t)sent;
    }
    served_wait_to_write(epoll, served, served->to_send > 0);
    return true;
}

int run_server(const struct options *options)
{
    int epoll = epoll_open();
    SSL_CTX *tls = NULL;
    if (options->certificate != NULL) {
        tls = tls_server_context(options->certificate);
        if (tls == NULL) {
            fail("%s: no certificate with its key", options->certificate);
        }
    }
    for (unsigned number = 0; number < options->addresses; number++) {
        served_listen(epoll, options, number, options->port, SERVER_ECHOES);
        served_listen(epoll, options, number, options->source_port, SERVER_SENDS);
    }
    epoll_set(epoll, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, NULL);
    puts("ready");
    fflush(stdout);
    while (true) {
        struct epoll_event events[EVENTS_PER_WAIT];
        int count = epoll_wait(epoll, events, EVENTS_PER_WAIT, -1);
        if (count == -1 && errno != EINTR) {
            fail("epoll_wait: %s", strerror(errno));
        }
        for (int i = 0; i < count; i++) {
            struct served *served = events[i].data.ptr;
            if (served == NULL) {
                return 0; /* standard input ended: no longer needed */
            }
            bool goes_on = true;
            switch (served->role) {
            case SERVER_ACCEPTS:
                served_accept(epoll, tls, served);
                break;
            case SERVER_ECHOES:
                goes_on = served_echo(epoll, served);
                break;
            case SERVER_SENDS:
                goes_on = served_send(epoll, served);
                break;
            }
            if (!goes_on) {
                served_close(served);
            }
        }
    }
}
