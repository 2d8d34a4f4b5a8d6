/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - both ends of a benchmark: the servers behind a relay and the clients before it.
 *
 * "load server" echoes on one port and, on another, sends as many bytes as an 8-byte count in
 * host order asks for. "load pingpong|bulk|connect|idle" is the client. A client opens its
 * sessions with one round trip each, so that the relay has connected too, prints "ready", runs
 * when a line comes on its standard input, and prints one line of JSON; its sessions stay open
 * until that input ends. So whoever measures can read clocks right before and right after the
 * work, and neither opening nor closing is in between. One thread, epoll, OpenSSL for TLS.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint8_t scratch[SCRATCH_BYTES];

_Noreturn void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int epoll_open(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll == -1) {
        fail("epoll_create1: %s", strerror(errno));
    }
    return epoll;
}

void epoll_set(int epoll, int operation, int fd, uint32_t events, void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};
    if (epoll_ctl(epoll, operation, fd, &event) == -1) {
        fail("epoll_ctl: %s", strerror(errno));
    }
}

struct sockaddr_in address_of(const struct options *options, unsigned number, uint16_t port)
{
    uint32_t host = ntohl(options->first_address.s_addr) + number % options->addresses;
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host)};
}

void set_nodelay(int fd)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == -1) {
        fail("TCP_NODELAY: %s", strerror(errno));
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static _Noreturn void usage(void)
{
    fputs("usage: load server|pingpong|bulk|connect|idle\n"
          "  --address A --addresses N   N consecutive addresses from A (127.0.0.1, 1)\n"
          "  --port P --source-port P    of the echo, and (server) of the bytes on request\n"
          "  --sessions N                open at once (1)\n"
          "  --size BYTES                of a message (64)\n"
          "  --seconds S --messages N    what ends the run (1 s, no number)\n"
          "  --rate R                    pingpong: messages, connect: connections a second, on a\n"
          "                              fixed schedule\n"
          "  --bytes N                   bulk: to move in all\n"
          "  --tls                       a client speaks TLS 1.3\n"
          "  --resume                    connect with TLS: resumes, each ticket is used once\n"
          "  --certificate FILE          server: speaks TLS, with this PEM\n",
          stderr);
    exit(2);
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"address", required_argument, NULL, 'a'},
        {"addresses", required_argument, NULL, 'n'},
        {"port", required_argument, NULL, 'p'},
        {"source-port", required_argument, NULL, 'P'},
        {"sessions", required_argument, NULL, 's'},
        {"size", required_argument, NULL, 'z'},
        {"seconds", required_argument, NULL, 't'},
        {"messages", required_argument, NULL, 'm'},
        {"rate", required_argument, NULL, 'r'},
        {"bytes", required_argument, NULL, 'b'},
        {"tls", no_argument, NULL, 'T'},
        {"resume", no_argument, NULL, 'R'},
        {"certificate", required_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {
        .first_address.s_addr = htonl(INADDR_LOOPBACK),
        .addresses = 1,
        .sessions = 1,
        .size_bytes = GREETING_BYTES,
        .seconds = 1,
    };
    int name;
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (name) {
        case 'a':
            if (inet_pton(AF_INET, optarg, &options.first_address) != 1) {
                usage();
            }
            break;
        case 'n':
            options.addresses = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'p':
            options.port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'P':
            options.source_port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 's':
            options.sessions = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'z':
            options.size_bytes = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 't':
            options.seconds = strtod(optarg, NULL);
            break;
        case 'm':
            options.messages = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            options.rate = strtod(optarg, NULL);
            break;
        case 'b':
            options.bytes = strtoull(optarg, NULL, 10);
            break;
        case 'T':
            options.tls = true;
            break;
        case 'R':
            options.resume = true;
            break;
        case 'c':
            options.certificate = optarg;
            break;
        default:
            usage();
        }
    }
    if ((options.resume && !options.tls) || options.port == 0 || options.addresses == 0 ||
        options.sessions == 0 || options.size_bytes < sizeof(uint64_t) ||
        options.size_bytes > SCRATCH_BYTES) {
        usage();
    }
    return options;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct options *options);
    } works[] = {
        {"server", run_server},   {"pingpong", run_pingpong}, {"bulk", run_bulk},
        {"connect", run_connect}, {"idle", run_idle},
    };
    if (argc < 2) {
        usage();
    }
    struct options options = parse_options(argc - 1, argv + 1);
    raise_descriptor_limit();
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        if (strcmp(argv[1], works[i].name) == 0) {
            return works[i].run(&options);
        }
    }
    usage();
}
