/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - one machine of a pool: what it is, and how it does.
 *
 * The identity never changes. The live state is shared by all threads through atomics
 * (docs/contributing/architecture.md, threads): each word of it has one meaning and says who
 * writes it. What only the control thread looks at stands last.
 */
#ifndef CULVERT_POOL_SERVER_H
#define CULVERT_POOL_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "core/counter.h"
#include "net/addr.h"
#include "net/builtin.h"

/* What the administrator says. */
enum server_admin {
    SERVER_ADMIN_UP,
    SERVER_ADMIN_DRAIN, /* no new sessions */
    SERVER_ADMIN_MAINT, /* `disabled`: no new sessions, no checks */
};

/* What the checks say. */
enum server_check {
    SERVER_CHECK_UP, /* also without checks */
    SERVER_CHECK_DOWN,
};

/* What the sessions' connects say. */
enum server_health {
    SERVER_UP,
    SERVER_EJECTED, /* too many failed connects; a trial is due when the ejection ends */
    SERVER_TRIAL,   /* one session tries the ejected server; the others wait for its answer */
};

/* The state as users see it: the first that applies. */
enum server_state {
    SERVER_STATE_UP,
    SERVER_STATE_DOWN, /* by its checks, without an address, or no member any more */
    SERVER_STATE_DRAIN,
    SERVER_STATE_MAINT,
    SERVER_STATE_EJECTED,
    SERVER_STATE_TRIAL,
    SERVER_STATE_COUNT,
};

/* What changes a state: see pool/server_change.h. */
enum server_cause {
    SERVER_CAUSE_NONE, /* nothing has, since the start */
    SERVER_CAUSE_PASSIVE,
    SERVER_CAUSE_CHECK,
    SERVER_CAUSE_ADMIN,
    SERVER_CAUSE_DNS,
    SERVER_CAUSE_COUNT,
};

/* What becomes of the sessions on a server that goes. */
enum server_gone {
    SERVER_GONE_KEEP,
    SERVER_GONE_DRAIN, /* they may go on for drain_timeout */
    SERVER_GONE_RESET,
};

/* The words of metrics, log and API: up, down, drain, maint, ejected, trial. */
const char *server_state_word(enum server_state state);

/* How an attempt to connect ended. */
enum connect_result {
    CONNECT_OK,
    CONNECT_REFUSED,
    CONNECT_TIMED_OUT,
    CONNECT_UNREACHABLE,
    CONNECT_RESET,
    CONNECT_TLS, /* connected, but no TLS came of it */
    CONNECT_PORTS_EXHAUSTED,
    CONNECT_SOURCE_FAILED, /* no address to connect from */
    CONNECT_RESULT_COUNT,
};
const char *connect_result_word(enum connect_result result); /* ok refused timeout … */

/* One worker's shard of what is counted about a server; it alone writes. It fills whole cache
   lines; the shards of a server begin at one. */
struct server_counters {
    struct counter connects[CONNECT_RESULT_COUNT];
    struct counter ejections; /* transitions to ejected, by failed connects */
    struct counter returns;   /* and back to up */
    char padding[CACHE_LINE_BYTES -
                 (CONNECT_RESULT_COUNT + 2) * sizeof(struct counter) % CACHE_LINE_BYTES];
};

/* What a server is; texts are copied. */
struct server_options {
    const char *name;             /* unique among the pool's members */
    struct addr addr;             /* AF_UNSPEC: the host name has no address (dns_failed) */
    enum builtin_service builtin; /* instead of an address */
    bool is_original;             /* instead of an address: where each client wanted to go */
    const char *tls_name;         /* SNI sent and name verified: the host of its line; NULL: none */
    int weight;                   /* 1..256 */
    int priority;                 /* tiers are tried in rising order; 0 unless an SRV record says */
    int max_connections;          /* over all workers; 0 = no limit */
    uint16_t health_port;         /* checks go there; 0: not given */
    bool is_backup;               /* behind all others, whatever the priority */
    bool is_discovered;           /* may go: sessions that tried it are counted in `users` */
    enum server_admin admin;
};

struct server {
    uint64_t serial; /* no other server of the process has it, neither before nor after */
    char *name;
    struct addr addr;
    enum builtin_service builtin;
    bool is_original;
    char *tls_name;
    char *path; /* owns addr.path of a unix server */
    int priority;
    uint16_t health_port; /* 0: not given */
    bool is_backup;
    bool is_discovered;
    unsigned position;                /* its slot in its pool */
    struct server_counters *counters; /* one shard per worker */
    unsigned shard_count;

    /* Written by the control thread, read by all. */
    _Atomic int weight; /* 1..256; leastconn reads it, tables are built with it */
    _Atomic int max_connections;
    _Atomic int admin;       /* enum server_admin */
    _Atomic int check;       /* enum server_check */
    _Atomic bool is_removed; /* no member any more */

    /* When it became usable again, which begins its slow start; 0: it was from the start. Written
       by whoever made it so: the control thread, or a worker whose connect ended an ejection. */
    _Atomic int64_t up_since_ms;
    _Atomic int64_t changed_ms; /* when its state last changed; 0: not since the start */
    _Atomic int changed_by;     /* enum server_cause; written by workers, too */

    /* Written by the workers. */
    _Atomic int health;            /* enum server_health */
    _Atomic int active;            /* sessions that hold a place */
    _Atomic int users;             /* sessions that may look at it, if it is discovered */
    _Atomic int failures;          /* failed connects in the current window */
    _Atomic int64_t window_end_ms; /* when the window of `failures` closes */
    _Atomic int64_t ejected_until_ms;
    _Atomic int ejections; /* in a row: the next one lasts twice as long */

    /* The control thread's. */
    int given_weight;        /* by its line or the DNS; an operator may have set another since */
    int64_t removed_ms;      /* when it ceased to be a member */
    char changed_detail[96]; /* of the last change but passive ones; "" */
    uint64_t changes[SERVER_CAUSE_COUNT][SERVER_STATE_COUNT]; /* how often; not the passive ones */
};

/* A server with one shard of counters per worker (at least one). NULL without memory. */
struct server *server_create(const struct server_options *options, unsigned workers);

/* NULL is allowed. */
void server_free(struct server *server);

/* Adds up the shards. */
void server_counters_sum(const struct server *server, struct server_counters *sum);

/* The state that users see now. Any thread. */
enum server_state server_state_of(const struct server *server);

/* Whether views and metrics have it: in use, or removed with sessions that go on. NULL: no. */
bool server_is_shown(const struct server *server);

/* Whether a session may be given to it: up in all respects, with an address. Any thread. */
bool server_is_usable(const struct server *server);

/* Whether a connect makes sense although it is down: nobody has taken it out of service, and it has
   an address. Any thread. */
bool server_may_be_tried(const struct server *server);

/* The address as text for logs: as addr_text(), "builtin:echo" or "original". `buffer` has
   ADDR_TEXT_BYTES. */
const char *server_addr_text(const struct server *server, char *buffer);

/* Whether there is anything to connect to: an address, what clients dialled, or a built-in service.
 */
bool server_has_address(const struct server *server);

/* Whether a place is free now. Any thread. */
bool server_has_place(const struct server *server);

/*
 * Sessions that hold a place, for whoever has taken the server out of service (`check`, `admin`)
 * before: none will follow that is not counted here. For a session takes its place first and looks
 * then whether the server is still in service, both by a read-modify-write of `active`: one of the
 * two sees the other. Any thread.
 */
int server_active_now(struct server *server);

/* Takes a place unless all max_connections are taken. Any thread. */
bool server_take_place(struct server *server) CULVERT_MUST_CHECK;

#endif
