/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_api.h - the control socket: HTTP/JSON for people, probes and scrapes.
 *
 * Runs on the control thread's event base (evhttp). It reads counters and snapshots and asks
 * workers for live sessions; it never takes a lock of the data path.
 */
#ifndef CULVERT_ADMIN_HTTP_API_H
#define CULVERT_ADMIN_HTTP_API_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"
#include "config/snapshot.h"
#include "worker/worker.h"

/* The real address behind each configured bind, in the order of listeners and their binds. */
struct bound_addr {
    unsigned listener_index;
    struct addr addr; /* the real port */
};

struct discovery;

/* What became of the loads of one TLS profile since the start. */
struct tls_loads {
    uint64_t succeeded; /* reloads: the load at the start does not count */
    uint64_t failed;
    int64_t last_wall_us; /* when what is in use was loaded */
};

/* What one look at all profiles came to. */
struct tls_look {
    unsigned profiles;
    unsigned changed;
    unsigned failed;
};

/* What one look at all sni_maps came to. */
struct name_looks {
    unsigned maps;
    unsigned changed;
    unsigned failed;
};

/* What one look at all lists of addresses that have files came to. */
struct address_looks {
    unsigned lists;
    unsigned changed;
    unsigned failed;
};

/* What reading anew came to. */
struct reload_outcome {
    struct tls_look tls;
    struct name_looks names;
    struct address_looks addresses;
};

struct checker;

/* The process as the API shows it. Written by the control thread only; outlives the API. */
struct admin_view {
    struct snapshot *snapshot;
    struct worker_shared *shared;
    const struct bound_addr *bound;
    unsigned bound_count;
    const char *version;
    int64_t started_wall_us;
    int64_t started_ms;
    bool is_ready;
    bool is_draining;
    const char *splice;         /* "yes" or why not */
    const char *limit_bound_by; /* budget */
    int open_files;
    const struct checker *checker;     /* NULL: no server is checked */
    const struct tls_loads *tls_loads; /* one for each of the snapshot's tls_profiles */
    const struct discovery *discovery; /* NULL: no server is given by name */
    void (*reload)(void *argument, struct reload_outcome *outcome);
    void *reload_argument;
    uint64_t (*log_dropped)(void *argument); /* records dropped by all rings */
    void *log_argument;
};

struct http_api;

/*
 * Serves the API on the configured socket and addresses. The socket file gets its mode before it
 * accepts; a stale one is replaced; a symbolic link or other file is an error. NULL with the error
 * set otherwise. With no address at all a valid, silent API is returned.
 */
struct http_api *http_api_open(struct event_base *base, const struct admin_view *view,
                               struct error *error);

/* Stops serving, removes the socket's file. NULL is allowed. */
void http_api_close(struct http_api *api);

/* The control socket's path, NULL when off: for the banner. */
const char *http_api_socket_path(const struct http_api *api);

#endif
