/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checker.h - the checks of all servers of all pools: when, and what follows from them.
 *
 * Runs on the control thread. Its results reach the workers as one word per server
 * (`server->check`); nothing that a server does to a check reaches a session.
 */
#ifndef CULVERT_HEALTH_CHECKER_H
#define CULVERT_HEALTH_CHECKER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"
#include "pool/pool.h"
#include "health/health_options.h"
#include "health/probe.h"

/* Checks that go on at once; further ones wait for one to end. */
#define CHECKS_AT_ONCE 256

struct checker;

struct checker_options {
    struct event_base *base;
    struct pool *pools;
    unsigned pool_count;
    struct health_options *const *health; /* by the pool's index; NULL: not checked */
    unsigned tls_slot;                    /* the control thread's context of each TLS profile */
    /* A server has changed its state; `from` is what it was, `is_down` whether the checks have
       taken it down just now. */
    void (*changed)(void *argument, struct pool *pool, struct server *server,
                    enum server_state from, const char *detail, bool is_down);
    void *argument;
};

/*
 * Starts the checks of the servers that there are; all that the options point to must live longer.
 * Called before any worker runs, since servers may begin as down. NULL with the error set without
 * memory.
 */
struct checker *checker_open(const struct checker_options *options, struct error *error);

/* NULL is allowed. */
void checker_close(struct checker *checker);

/* Servers of the pool came or went: before a removed one is freed. NULL is allowed. */
void checker_pool_changed(struct checker *checker, struct pool *pool);

/* What is known of one server's checks. */
struct check_report {
    const struct health_options *options;
    bool has_result;
    struct probe_result last;
    int64_t last_wall_us; /* when the last check ended */
    bool is_up;           /* by the rules */
    int against;          /* results in a row that contradict it */
    uint64_t outcomes[PROBE_OUTCOMES];
};

/* False when the server is not checked. */
bool checker_report(const struct checker *checker, const struct pool *pool,
                    const struct server *server, struct check_report *report);

#endif
