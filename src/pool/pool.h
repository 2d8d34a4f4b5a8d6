/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h - a set of servers, and the choice of one for a session.
 */
#ifndef CULVERT_POOL_POOL_H
#define CULVERT_POOL_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "net/socket.h"
#include "tls/tls_profile.h"
#include "pool/balance.h"
#include "pool/server.h"

/* What the configuration says; times in milliseconds. */
struct pool_options {
    enum balance balance;
    int max_fails;           /* 0 = never eject */
    int64_t fail_timeout_ms; /* window, and length of the first ejection */
    int64_t connect_timeout_ms;
    int connect_retries;
    struct socket_options socket;
    struct tls_profile
        *tls; /* client role: TLS to the servers; borrowed from the snapshot; or NULL */
};

struct pool {
    char *name;
    char *description;
    struct pool_options options;
    struct server *servers; /* in file order; owned */
    unsigned server_count;
    unsigned index; /* its place in the snapshot: counters */

    /* Made by pool_prepare(). */
    struct balance_tier primaries;
    struct balance_tier backups; /* chosen from only while no primary is usable */
    bool has_address;            /* of any server */
    _Atomic unsigned out_count;  /* servers ejected or on trial: none, and choosing is simple */
    pthread_mutex_t eject_mutex; /* held while a server is ejected, so that the last one stays */
};

/* Most servers a pool may have. */
#define POOL_SERVERS_MAX 4096

/* Builds what the policies need once all servers are set. False without memory. */
bool pool_prepare(struct pool *pool) CULVERT_MUST_CHECK;

/* Frees the pool's contents, not the struct. Harmless when zeroed or never prepared. */
void pool_release(struct pool *pool);

/* Why pool_pick() chose none. */
enum pool_answer {
    POOL_CHOSEN,
    POOL_NONE_USABLE, /* all down, drained or tried already */
    POOL_ALL_FULL,    /* usable ones exist, each at its max_connections */
    POOL_UNRESOLVED,  /* no server has an address */
};

/*
 * Chooses a usable server that is not in `tried` and takes a place on it (`active` + 1), never
 * beyond its max_connections, across all threads (compare-and-swap). `*seed` is per-worker state
 * of a xorshift generator, for ties and random. Backup servers are chosen only while no other is
 * usable. A server whose ejection has ended is given to one session as a trial first. When no other
 * server is left, an ejected one is tried before the session has to fail.
 *
 * After POOL_CHOSEN the caller owes one of pool_connect_succeeded(), _failed() or _abandoned() once
 * the attempt has ended, and pool_leave() when the session leaves the server.
 */
enum pool_answer pool_pick(struct pool *pool, struct server *const *tried, unsigned tried_count,
                           int64_t now_ms, uint64_t *seed, struct server **server);

/* Gives the place back, exactly once for each POOL_CHOSEN. */
void pool_leave(struct pool *pool, struct server *server);

/* A connect to the server succeeded: failures are forgotten, an ejection ends. True when the
   server was not up before (to be logged by the caller). */
bool pool_connect_succeeded(struct pool *pool, struct server *server);

/*
 * A connect failed by the server's fault (never for local errors: EADDRNOTAVAIL, EMFILE, ENFILE,
 * ENOBUFS, ENOMEM). After max_fails within fail_timeout the server is ejected, unless it is the
 * last usable one of the pool; each further ejection in a row lasts twice as long, up to 5
 * minutes. True when this call ejected it (to be logged by the caller).
 */
bool pool_connect_failed(struct pool *pool, struct server *server, int64_t now_ms);

/* A local error ended the attempt: a trial is given back, nothing else changes. */
void pool_connect_abandoned(struct pool *pool, struct server *server);

#endif
