/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver_options.h - whom to ask, how often and for how long.
 */
#ifndef CULVERT_DISCOVERY_RESOLVER_OPTIONS_H
#define CULVERT_DISCOVERY_RESOLVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct resolver_options {
    const char *servers;     /* "10.0.0.53:53,[::1]:5353"; NULL: those of resolv.conf */
    int64_t timeout_ms;      /* of the first attempt; later ones wait longer */
    int attempts;            /* per DNS server */
    bool search;             /* the search list */
    const char *resolv_conf; /* NULL: /etc/resolv.conf */
};

#endif
