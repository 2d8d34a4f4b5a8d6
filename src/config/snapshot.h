/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.h - the configuration as the relay uses it: complete, checked, immutable.
 *
 * Built from the settings by the loader (config/config.h). Shared by all threads and counted: the
 * control thread, each worker and each session hold a reference; whoever drops the last one frees
 * it. Times are milliseconds with 0 = off, sizes bytes.
 */
#ifndef CULVERT_CONFIG_SNAPSHOT_H
#define CULVERT_CONFIG_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base.h"
#include "core/log.h"
#include "core/rate.h"
#include "net/addr.h"
#include "net/socket.h"
#include "tls/tls_profile.h"
#include "pool/pool.h"
#include "discovery/discovery.h"
#include "health/health_options.h"
#include "route/router.h"
#include "config/address_source.h"
#include "config/sni_source.h"

enum on_limit { ON_LIMIT_PAUSE, ON_LIMIT_RESET, ON_LIMIT_CLOSE };

/* How a client is refused when no server can be had or no route matches. */
enum refusal { REFUSE_RESET, REFUSE_CLOSE, REFUSE_ALERT /* TLS unrecognized_name */ };

/* What becomes of a client that the rules refuse. */
enum deny_action { DENY_RESET, DENY_CLOSE, DENY_DROP /* not a word to it */ };

/* Whether clients send a PROXY header (net/proxy_header.h). */
enum accept_proxy { ACCEPT_PROXY_OFF, ACCEPT_PROXY_REQUIRED, ACCEPT_PROXY_OPTIONAL };

enum starttls { STARTTLS_OFF, STARTTLS_POSTGRES };

enum access_log { ACCESS_ALL, ACCESS_ERRORS, ACCESS_OFF };

enum client_ip { CLIENT_IP_FULL, CLIENT_IP_MASKED, CLIENT_IP_OFF };

/*
 * A (listener, pool) pair that a session can end up with; counters are kept per tally. The first
 * tally of each listener has no pool (refused before one was chosen).
 */
struct tally {
    unsigned listener_index;
    int pool_index; /* -1: none */
};

/* What one source (an IPv4 address, an IPv6 prefix) may do. Zero: no limit. */
struct source_limits {
    int max_connections;
    struct rate connection_rate;
};

struct listener_config {
    char *name;
    char *description;
    struct addr *binds; /* as configured; unix paths are owned by `bind_paths` */
    char **bind_paths;  /* one per bind, NULL where it is no unix address */
    unsigned bind_count;
    struct listen_options listen;
    struct router *router;
    struct sni_source *sni_source; /* the file behind the names of `sni_map`, or NULL */
    enum refusal no_route;
    enum refusal when_down;
    struct tls_profile *tls; /* terminates, unless a route says otherwise; borrowed; or NULL */
    enum starttls starttls;
    enum accept_proxy accept_proxy;
    struct address_list *trusted_proxies; /* borrowed as `allow` is; NULL: everybody */
    bool terminates_tls;                  /* by `tls` or by that of one of its routes */
    bool peeks_hello; /* routes, their tls, no_route = alert or hash_key = sni need the hello */

    struct address_list *allow; /* borrowed from the snapshot; NULL: everyone */
    struct address_list *deny;  /* wins; NULL: nobody */
    enum deny_action deny_action;
    struct source_limits per_source;
    struct rate connection_rate;
    struct rate upload_rate; /* of each session, in bytes */
    struct rate download_rate;
    int max_connections; /* 0 = no limit of its own */
    int64_t preread_timeout_ms;
    int64_t handshake_timeout_ms; /* of both sides */
    int64_t idle_timeout_ms;
    int64_t client_idle_timeout_ms;
    int64_t server_idle_timeout_ms;
    int64_t half_close_timeout_ms;
    int64_t stall_timeout_ms;
    int64_t max_lifetime_ms;
    int lifetime_jitter_percent;
    bool reset_as_fin; /* on_reset = fin */
    bool splice;       /* splice = auto */
    size_t buffer_size;
    enum access_log access;
    bool access_start;

    struct snapshot *snapshot; /* the one it belongs to */
    unsigned index;            /* its place in the snapshot */
    unsigned first_tally; /* tallies [first_tally, first_tally + tally_count) are this listener's */
    unsigned tally_count;

    _Atomic int sessions;                      /* live: places taken, all workers */
    _Atomic int64_t connections_paid_until_ns; /* the bucket of connection_rate (core/rate.h) */
};

/* [culvert], [limits], [log], [admin], [metrics] as far as they are built. */
struct process_config {
    char *name;
    int workers; /* resolved: >= 1 */
    bool cpu_affinity;
    char *user; /* or NULL */
    char *group;
    char *pid_file;
    int open_files; /* 0 = auto */
    int64_t drain_timeout_ms;
    int64_t drain_delay_ms;

    int max_connections; /* 0 = auto */
    enum on_limit on_limit;
    struct source_limits per_source;
    struct rate connection_rate;
    int ipv6_prefix; /* bits of an IPv6 address that make one source */
    int tracked_ips;
    size_t buffer_memory;
    int max_pipes; /* -1 = auto */
    size_t pipe_size;

    enum log_level log_level;
    int log_format; /* enum log_format, or -1 = auto */
    char *log_output;
    int log_color;       /* -1 auto, 0 never, 1 always */
    int log_timestamps;  /* -1 auto, 0 no, 1 yes */
    char *access_output; /* NULL: same as log_output */
    int access_format;   /* -2: same as log_format; -1 auto */
    enum client_ip client_ip;
    char *syslog_facility;
    char *syslog_tag;
    int log_queue;

    char *admin_socket; /* NULL = off; "" = default place if writable */
    mode_t admin_socket_mode;
    gid_t admin_socket_group; /* (gid_t)-1 = leave */
    struct addr *admin_binds; /* TCP, read-only: overview, metrics, probes */
    unsigned admin_bind_count;
    struct addr *metrics_binds; /* /metrics /healthz /readyz only; without those of admin_binds */
    unsigned metrics_bind_count;
    int max_sessions_listed;
};

struct snapshot {
    _Atomic int references;
    struct process_config process;
    struct listener_config *listeners; /* enabled ones */
    unsigned listener_count;
    struct route *routes;
    unsigned route_count;
    struct pool *pools;
    unsigned pool_count;
    unsigned named_pool_count;      /* of them, the first: those of [pool] sections */
    struct health_options **health; /* by the pool's index; NULL: its servers are not checked */
    struct dns_options dns;
    struct discovery_source *sources; /* servers by name, of all pools */
    unsigned source_count;
    struct tls_profile **tls_profiles; /* owned: each [tls] section once per role it is used in */
    unsigned tls_profile_count;
    struct address_source **address_sources; /* owned: the lists of [listen] sections */
    unsigned address_source_count;
    struct tally *tallies;
    unsigned tally_count;
    char *source; /* "culvert.ini (+2 included)" or "(embedded)": for banner and log */
};

struct snapshot *snapshot_ref(struct snapshot *snapshot);

/* Drops a reference; the last one frees. NULL is allowed. */
void snapshot_unref(struct snapshot *snapshot);

/* The tally of a listener and a pool (NULL: none chosen). */
unsigned snapshot_tally(const struct snapshot *snapshot, const struct listener_config *listener,
                        const struct pool *pool);

/*
 * Whether `allow` and `deny` let this address in. Both the address of the socket and one that a
 * trusted proxy claims have to pass. Any thread. Unix clients pass: who may connect to their
 * sockets is a matter of the files' modes.
 */
bool listener_admits(const struct listener_config *listener, const struct addr *client);

#endif
