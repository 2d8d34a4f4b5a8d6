/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discovery.h - servers that are known by name: who they are now.
 *
 * Asks for the names of all server lines, again and again as their TTLs say, and keeps the pools'
 * servers in step with the answers. What goes wrong leaves the last good answer in place. Runs on
 * the control thread; sessions never wait for the DNS.
 */
#ifndef CULVERT_DISCOVERY_DISCOVERY_H
#define CULVERT_DISCOVERY_DISCOVERY_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"
#include "net/addr.h"
#include "pool/pool.h"
#include "discovery/ask_schedule.h"
#include "discovery/name_state.h"
#include "discovery/resolver.h"

/* Addresses of which family stand in the first tier of a name that has both. */
enum dns_prefer { DNS_PREFER_ANY, DNS_PREFER_IPV4, DNS_PREFER_IPV6 };

/* A server line with a name instead of an address. */
struct discovery_source {
    struct pool *pool;
    char *host; /* owned; of SRV: _service._proto.name */
    bool is_srv;
    uint16_t port;               /* not of SRV, which has its own */
    struct server_options model; /* owns `name` and `tls_name` */
};

/* Frees what the source owns, not the struct. */
void discovery_source_release(struct discovery_source *source);

/* What [dns] says. */
struct dns_options {
    struct resolver_options resolver; /* owns `servers` */
    struct ask_rules rules;
    enum dns_prefer prefer;
};

struct discovery_options {
    const struct dns_options *dns;
    const struct discovery_source *sources;
    unsigned source_count;

    /* A pool's servers have changed: sessions are to choose from them. False: not now, again soon.
     */
    bool (*publish)(void *argument, struct pool *pool);
    /* A server has come, before it is published: it joins others, unless it is among the first. */
    void (*came)(void *argument, struct pool *pool, struct server *server, bool joins);
    /* A server was removed, which was `from` before; its sessions are to end as its pool's
       on_remove says. */
    void (*gone)(void *argument, struct pool *pool, struct server *server, enum server_state from);
    void *argument;
};

struct discovery;

/* Sources and pools must outlive it; the options are copied. Asks for all names at once. NULL with
   the error set otherwise. */
struct discovery *discovery_open(struct event_base *base, const struct discovery_options *options,
                                 struct error *error);
void discovery_close(struct discovery *discovery);

/* Runs the loop until each name was answered for the first time, well or not, or `wait_ms` are
   over: so that the first sessions find servers. */
void discovery_settle(struct discovery *discovery, int64_t wait_ms);

/* A name as it is now; borrowed until the loop's next turn. */
struct name_view {
    const char *name;
    bool is_srv;
    bool is_target; /* asked for only because an SRV record names it */
    enum name_state state;
    enum resolver_result result; /* of the last look-up */
    int64_t since_ms;            /* of the state */
    int64_t answered_ms;         /* the last good answer; 0: none */
    int64_t ttl_ms;              /* of that answer, within min_ttl and max_ttl */
    int64_t due_ms;              /* the next look-up */
    unsigned servers;            /* members of pools by this name; 0 for a target */
    unsigned addr_count;
    const struct addr *addrs;
    const uint64_t *lookups; /* RESOLVER_RESULTS of them */
};

/* Goes through all names: `*cursor` NULL at first. False behind the last. A NULL discovery has
   none. */
bool discovery_next(const struct discovery *discovery, const void **cursor, struct name_view *view);

#endif
