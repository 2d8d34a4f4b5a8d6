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
#include "net/proxy_header.h"
#include "net/socket.h"
#include "tls/tls_profile.h"
#include "pool/balance.h"
#include "pool/hash_key.h"
#include "pool/pool_queue.h"
#include "pool/server.h"

/* What the configuration says; times in milliseconds. */
struct pool_options {
    enum balance balance;
    enum hash_key hash_key;  /* of BALANCE_MAGLEV, as is maglev_size */
    unsigned maglev_size;    /* a prime */
    int64_t slow_start_ms;   /* 0 = off */
    bool fail_open;          /* no server usable: those that are down are tried */
    int max_fails;           /* 0 = never eject */
    int64_t fail_timeout_ms; /* window, and length of the first ejection */
    int64_t connect_timeout_ms;
    int connect_retries;
    int discovery_min;          /* an answer of the DNS with fewer servers does not count */
    int queue_size;             /* sessions that may wait for a place; 0: they are refused */
    int64_t queue_timeout_ms;   /* 0: they wait as long as it takes */
    enum server_gone on_down;   /* sessions on a server whose checks fail */
    enum server_gone on_remove; /* sessions on a server that is no member any more */
    struct socket_options socket;
    struct addr *sources; /* to connect from, IPv4 ones first; owned by the pool; NULL: any */
    unsigned source_count;
    unsigned source_v4_count;
    bool is_transparent;        /* connect from the client's address */
    bool is_original;           /* its only server is wherever the client wanted to go */
    enum send_proxy send_proxy; /* tell the servers who their client is */
    unsigned send_proxy_tlvs;   /* and this beside: a mask of enum proxy_tlv */
    struct tls_profile
        *tls; /* client role: TLS to the servers; borrowed from the snapshot; or NULL */
};

/* The addresses to connect from to a server of this family; none (0): the kernel chooses. */
unsigned pool_sources(const struct pool_options *options, int family, const struct addr **sources);

/*
 * What sessions choose from: immutable once it is published. The control thread builds a new one
 * when a server comes, goes or changes its weight; workers load the pool's pointer for a choice
 * and never keep it across turns of their loop. So the old one is free once each worker has taken a
 * message that was posted after the publishing.
 */
struct pool_members {
    struct balance_tier *tiers; /* in the order in which they are used */
    unsigned tier_count;
    struct server **servers; /* all of them */
    unsigned server_count;
    bool has_address; /* of any server */

    /* Once it was replaced. */
    _Atomic int holders; /* workers that may still look at it */
    struct pool_members *next;
};

struct pool {
    char *name;
    char *description;
    struct pool_options options;
    unsigned index;   /* its place in the snapshot: counters */
    unsigned workers; /* shards of its servers' counters */

    /*
     * Slots of servers: a server keeps its slot while it lives, and `server->position` is the
     * slot's number. NULL: the slot is free. The control thread writes them; a worker reads only
     * slots of servers that it uses.
     */
    struct server **servers;
    unsigned server_count; /* slots in use or used before */
    unsigned capacity;

    _Atomic(struct pool_members *) members;
    struct pool_members *retired; /* replaced ones that workers may look at; the control thread's */

    /* Set by whoever fails to connect to a server that the DNS has named; the descriptor (an
       eventfd(2), or -1) wakes discovery, which clears it. */
    _Atomic bool lookup_wanted;
    int lookup_fd;

    struct pool_queue queue;
    _Atomic unsigned out_count;  /* members ejected or on trial: none, and choosing is simple */
    pthread_mutex_t eject_mutex; /* held while a server is ejected, so that the last one stays,
                                    and while its failures are counted */
};

/* Most servers a pool may have. */
#define POOL_SERVERS_MAX 4096

/* ---- the control thread's ----------------------------------------------------------------------
 */

/* Prepares a zeroed pool for up to `capacity` servers at a time. False without memory. */
bool pool_init(struct pool *pool, unsigned capacity, unsigned workers) CULVERT_MUST_CHECK;

/* Frees the pool's contents, not the struct; no thread may look at it any more. Harmless when
   zeroed. */
void pool_release(struct pool *pool);

/*
 * Adds a server, to be chosen from the next publishing on. When one of the same name and address
 * was removed and is still there, that one comes back with its health and counters (and takes over
 * weight, priority and limit). NULL without memory, or when no slot is free: see pool_reclaim().
 */
struct server *pool_add_server(struct pool *pool, const struct server_options *options);

/* Takes a member out, from the next publishing on. Its sessions go on. */
void pool_remove_server(struct pool *pool, struct server *server, int64_t now_ms);

/* The members as the pool's servers are now, not published. NULL without memory. */
struct pool_members *pool_members_build(const struct pool *pool);

/* For members that were never published. NULL is allowed. */
void pool_members_free(struct pool_members *members);

/*
 * Makes sessions choose from `fresh`, which is the pool's from now on. The members replaced are
 * given back, NULL for the first publishing: each of `workers` threads owes one
 * pool_members_leave() for them.
 */
struct pool_members *pool_publish(struct pool *pool, struct pool_members *fresh, int workers);

/* A worker has passed the publishing. Any thread. */
void pool_members_leave(struct pool_members *members);

/*
 * Frees members that no worker looks at, and removed servers that no session looks at and that were
 * removed at `before_ms` or earlier. While members are retired no server is freed, and none that is
 * still among the members published last.
 */
void pool_reclaim(struct pool *pool, int64_t before_ms);

/* pool_members_build() and pool_publish() before any worker runs. False without memory. */
bool pool_prepare(struct pool *pool) CULVERT_MUST_CHECK;

/* ---- any thread's ------------------------------------------------------------------------------
 */

/* Whether an ejection of the server has ended, and a session may have its one trial. */
bool pool_trial_is_due(const struct server *server, int64_t now_ms);

/* Why pool_pick() chose none. */
enum pool_answer {
    POOL_CHOSEN,
    POOL_NONE_USABLE, /* all down, drained or tried already */
    POOL_ALL_FULL,    /* usable ones exist, each at its max_connections */
    POOL_UNRESOLVED,  /* no server has an address */
};

/*
 * Chooses a usable server that the request has not tried and takes a place on it (`active` + 1),
 * never beyond its max_connections, across all threads (compare-and-swap). A tier is used only
 * while those before it have no usable server; backups come last. A server whose ejection has ended
 * is given to one session as a trial first. When no other server is left, an ejected one is tried
 * before the session has to fail.
 *
 * After POOL_CHOSEN the caller owes one of pool_connect_succeeded(), _failed() or _abandoned() once
 * the attempt has ended, pool_leave() when the session leaves the server, and pool_forget().
 */
enum pool_answer pool_pick(struct pool *pool, struct balance_request *request,
                           struct server **server);

/* Whether a session may be about to be given the server, which was removed: not all workers have
   passed the publishing without it. Control thread. */
bool pool_may_choose(const struct pool *pool, const struct server *server);

/* Sessions that hold a place on its servers, removed ones included. Control thread. */
int pool_sessions(const struct pool *pool);

/* Gives the place back, exactly once for each POOL_CHOSEN; who waits for one is called. */
void pool_leave(struct pool *pool, struct server *server);

/* The session will not look at the server any more: once for each POOL_CHOSEN, at its end. */
void pool_forget(struct server *server);

/* A connect to the server succeeded: failures are forgotten, an ejection ends and the slow start
   begins. True when the server was not up before (to be logged by the caller). */
bool pool_connect_succeeded(struct pool *pool, struct server *server, int64_t now_ms);

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
