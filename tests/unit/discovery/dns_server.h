/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_server.h - a DNS server on loopback that says what a test tells it to.
 *
 * It lives in the test's own event loop, UDP and TCP on one port, and asks the test's function for
 * each answer.
 */
#ifndef CULVERT_TEST_DISCOVERY_DNS_SERVER_H
#define CULVERT_TEST_DISCOVERY_DNS_SERVER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "discovery/dns_message.h"

/* Fills the answer, an empty message at first; left empty, nothing is sent. The name is in lower
   case. */
typedef void (*dns_script)(void *argument, const char *name, unsigned type, unsigned id,
                           bool is_tcp, struct message *answer);

struct dns_server {
    struct event_base *base;
    struct event *udp;
    struct event *tcp;
    int udp_fd;
    int tcp_fd;
    dns_script script;
    void *argument;
    unsigned questions; /* all of them */
    unsigned tcp_questions;
    char address[32]; /* "127.0.0.1:PORT" */
};

static inline void read_question(const unsigned char *bytes, size_t size, char *name,
                                 unsigned *type)
{
    size_t at = 12;
    size_t length = 0;

    while (at < size && bytes[at] != 0 && length + bytes[at] < 250) {
        for (unsigned i = 0; i < bytes[at]; i++) {
            char byte = (char)bytes[at + 1 + i];

            name[length++] = (char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
        }
        name[length++] = '.';
        at += 1 + bytes[at];
    }
    name[length > 0 ? length - 1 : 0] = '\0';
    assert(at + 5 <= size);
    *type = get16(bytes + at + 1);
}

static inline void answer_question(struct dns_server *server, const unsigned char *question,
                                   size_t size, bool is_tcp, struct message *answer)
{
    char name[256];
    unsigned type;

    server->questions++;
    server->tcp_questions += is_tcp;
    read_question(question, size, name, &type);
    answer->size = 0;
    server->script(server->argument, name, type, get16(question), is_tcp, answer);
}

static inline void on_udp_question(evutil_socket_t fd, short what, void *argument)
{
    static struct message answer;
    unsigned char question[600];
    struct sockaddr_storage from;
    socklen_t from_size = sizeof(from);
    ssize_t size =
        recvfrom(fd, question, sizeof(question), 0, (struct sockaddr *)&from, &from_size);

    (void)what;
    if (size < 12)
        return;
    answer_question(argument, question, (size_t)size, false, &answer);
    if (answer.size > 0)
        (void)!sendto(fd, answer.bytes, answer.size, 0, (struct sockaddr *)&from, from_size);
}

/* One question per connection, which comes in one piece. */
static inline void on_tcp_question(evutil_socket_t fd, short what, void *argument)
{
    static struct message answer;
    unsigned char question[600];
    ssize_t size = read(fd, question, sizeof(question));

    (void)what;
    if (size > 14) {
        answer_question(argument, question + 2, (size_t)size - 2, true, &answer);
        if (answer.size > 0) {
            unsigned char length[2] = {(unsigned char)(answer.size >> 8),
                                       (unsigned char)answer.size};

            (void)!write(fd, length, sizeof(length));
            (void)!write(fd, answer.bytes, answer.size);
        }
    }
    close(fd);
}

static inline void on_tcp_client(evutil_socket_t listener, short what, void *argument)
{
    struct dns_server *server = argument;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)what;
    if (fd != -1)
        assert(event_base_once(server->base, fd, EV_READ, on_tcp_question, server, NULL) == 0);
}

static inline void dns_server_open(struct dns_server *server, struct event_base *base,
                                   dns_script script, void *argument)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t size = sizeof(addr);

    *server = (struct dns_server){.base = base, .script = script, .argument = argument};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int tries = 0; tries < 50; tries++) {
        addr.sin_port = 0;
        server->udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        server->tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert(bind(server->udp_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
        assert(getsockname(server->udp_fd, (struct sockaddr *)&addr, &size) == 0);
        if (bind(server->tcp_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
            listen(server->tcp_fd, 16) == 0)
            break;
        close(server->udp_fd);
        close(server->tcp_fd);
    }
    snprintf(server->address, sizeof(server->address), "127.0.0.1:%u", ntohs(addr.sin_port));
    server->udp = event_new(base, server->udp_fd, EV_READ | EV_PERSIST, on_udp_question, server);
    server->tcp = event_new(base, server->tcp_fd, EV_READ | EV_PERSIST, on_tcp_client, server);
    assert(server->udp != NULL && server->tcp != NULL);
    event_add(server->udp, NULL);
    event_add(server->tcp, NULL);
}

static inline void dns_server_close(struct dns_server *server)
{
    event_free(server->udp);
    event_free(server->tcp);
    close(server->udp_fd);
    close(server->tcp_fd);
}

/* Runs the loop until the claim holds or ten seconds are over; true when it holds. */
static inline bool run_until(struct event_base *base, bool (*holds)(void *), void *argument)
{
    int64_t end_ms = clock_now_ms() + 10000;

    while (!holds(argument)) {
        const struct timeval step = {.tv_usec = 20000};

        if (clock_now_ms() > end_ms)
            return false;
        event_base_loopexit(base, &step);
        event_base_dispatch(base);
    }
    return true;
}

#endif
