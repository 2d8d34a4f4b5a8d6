/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - one machine of a pool: what it is, and how it does.
 *
 * The identity never changes. The live state is shared by all threads through atomics
 * (docs/contributing/architecture.md, threads).
 */
#ifndef CULVERT_POOL_SERVER_H
#define CULVERT_POOL_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "net/addr.h"
#include "net/builtin.h"

/* Whether a server may be chosen. */
enum server_health {
    SERVER_UP,
    SERVER_EJECTED, /* too many failed connects; a trial is due when the ejection ends */
    SERVER_TRIAL,   /* one session tries the ejected server; the others wait for its answer */
    SERVER_DRAIN,   /* by configuration: no new sessions */
    SERVER_MAINT,   /* by configuration (`disabled`): no new sessions */
};

/* The words of metrics, log and API: up, ejected, trial, drain, maint. */
const char *server_health_word(enum server_health health);

struct server {
    char *name;                   /* unique in its pool */
    struct addr addr;             /* AF_UNSPEC: the host name has no address (dns_failed) */
    enum builtin_service builtin; /* instead of an address */
    char *tls_name;               /* SNI sent and name verified: the host of its line; NULL: none */
    char *path;                   /* owns addr.path of a unix server */
    int weight;                   /* 1..256 */
    bool is_backup;
    int max_connections; /* over all workers; 0 = no limit */
    unsigned index;      /* its place among all servers of the snapshot: counters */
    unsigned position;   /* its place in its pool: set by pool_prepare() */

    /* Live state, any thread. */
    _Atomic int health;            /* enum server_health */
    _Atomic int active;            /* sessions that hold a place */
    _Atomic int failures;          /* failed connects in the current window */
    _Atomic int64_t window_end_ms; /* when the window of `failures` closes */
    _Atomic int64_t ejected_until_ms;
    _Atomic int ejections; /* in a row: the next one lasts twice as long */
};

/* The address as text for logs: as addr_text(), or "builtin:echo". `buffer` has ADDR_TEXT_BYTES. */
const char *server_addr_text(const struct server *server, char *buffer);

/* Whether there is anything to connect to: an address, or a built-in service. */
bool server_has_address(const struct server *server);

/* Whether a place is free now. Any thread. */
bool server_has_place(const struct server *server);

/* Takes a place unless all max_connections are taken. Any thread. */
bool server_take_place(struct server *server) CULVERT_MUST_CHECK;

#endif
