/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_options.h - how the servers of one pool are checked, as the configuration says it.
 */
#ifndef CULVERT_HEALTH_HEALTH_OPTIONS_H
#define CULVERT_HEALTH_HEALTH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "tls/tls_profile.h"
#include "health/exchange.h"
#include "health/health_rules.h"

struct health_options {
    char *name; /* of the [health] section, or the built-in "tcp" or "tls"; owned */
    struct health_timing timing;
    struct exchange_options exchange; /* owned */
    uint16_t port;                    /* 0: the server's */
    struct tls_profile *tls;          /* borrowed; NULL: none */
    struct tls_profile *any_tls;      /* accepts any certificate; for postgres; borrowed; or NULL */
    char *tls_name;                   /* instead of the server's own; owned; or NULL */
    bool sends_proxy;
    bool resets; /* close = reset */
};

/* Frees the options and what they own. NULL is allowed. */
void health_options_free(struct health_options *options);

#endif
