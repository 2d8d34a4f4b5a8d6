/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint.h - addresses as an INI file writes them, for listeners and for servers.
 */
#ifndef CULVERT_CONFIG_ENDPOINT_H
#define CULVERT_CONFIG_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"
#include "net/addr.h"
#include "net/builtin.h"

enum endpoint_kind {
    ENDPOINT_IP,
    ENDPOINT_HOST,
    ENDPOINT_SRV,
    ENDPOINT_UNIX,
    ENDPOINT_BUILTIN,
    ENDPOINT_ORIGINAL, /* a server: where the client wanted to go */
};

/* An address as written. */
struct endpoint {
    enum endpoint_kind kind;
    struct addr addr; /* ENDPOINT_IP, ENDPOINT_UNIX (its path is `host`) */
    char *host;       /* ENDPOINT_HOST, ENDPOINT_SRV: the name; ENDPOINT_UNIX: the path or name */
    uint16_t port;
    enum builtin_service builtin;

    /* Servers only. */
    char *name; /* as given or as the address is written */
    bool has_name;
    char *server_name; /* server_name=HOST; NULL: not given */
    int weight;
    int max_connections; /* -1: the pool's */
    int health_port;     /* 0: not given */
    bool is_backup;
    bool is_disabled;
    bool is_drain;

    /* ENDPOINT_HOST of a bind: what it was resolved to; NULL before, or when that failed. */
    struct addr *addrs;
    size_t addr_count;
};

enum endpoint_use { ENDPOINT_FOR_BIND, ENDPOINT_FOR_SERVER, ENDPOINT_FOR_SOURCE };

/* The error's exit code when the form is known but comes with a later version. */
#define ENDPOINT_IS_LATER 1

/*
 * Parses host:port, [v6]:port, unix:/path and unix:@name; for a bind also :port (all addresses),
 * *:port (all IPv4 addresses) and port 0; for a server also builtin:NAME,
 * srv:_service._proto.name and `original`; for a source an IP address without a port and nothing
 * else. `may_be_bare`: a port alone means :port. Fills a zeroed endpoint; on failure nothing needs
 * to be freed.
 */
bool endpoint_parse(const char *string, enum endpoint_use use, bool may_be_bare,
                    struct endpoint *endpoint, struct error *error) CULVERT_MUST_CHECK;

void endpoint_destroy(struct endpoint *endpoint);

#endif
