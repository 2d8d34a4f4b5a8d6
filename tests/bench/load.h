/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h - what the two ends of a benchmark share. See load.c for the program.
 */
#ifndef CULVERT_BENCH_LOAD_H
#define CULVERT_BENCH_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    SCRATCH_BYTES = 256 * 1024,
    GREETING_BYTES = 64, /* the round trip that opens a session, and that of the connect work */
    EVENTS_PER_WAIT = 256,
};

struct options {
    struct in_addr first_address; /* the first of `addresses` consecutive ones */
    unsigned addresses;
    uint16_t port;
    uint16_t source_port; /* server only: where bytes are sent on request */
    unsigned sessions;
    unsigned size_bytes;
    double seconds;    /* how long to run, unless `messages` ends it before */
    uint64_t messages; /* round trips of all sessions together; 0 = as many as there is time for */
    double rate;       /* messages a second of all sessions together; 0 = closed loop */
    uint64_t bytes;    /* bulk only: of all sessions together */
    bool tls;          /* a client speaks TLS */
    bool resume;       /* connect with TLS: each handshake but a session's first resumes */
    const char *certificate; /* server only: a PEM file, to speak TLS; NULL = plain */
};

extern uint8_t scratch[SCRATCH_BYTES];

/* Says what went wrong and exits with 1. A broken measurement is never repaired. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t now_ns(void);

int epoll_open(void);
void epoll_set(int epoll, int operation, int fd, uint32_t events, void *owner);

/* The `number`-th of the consecutive addresses, counted round. */
struct sockaddr_in address_of(const struct options *options, unsigned number, uint16_t port);

void set_nodelay(int fd);

/* Serves until standard input ends. */
int run_server(const struct options *options);

/* The works of a client. */
int run_pingpong(const struct options *options);
int run_bulk(const struct options *options);
int run_connect(const struct options *options);
int run_idle(const struct options *options);

#endif
