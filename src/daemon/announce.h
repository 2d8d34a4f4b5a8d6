/* SPDX-License-Identifier: Apache-2.0 */
/*
 * announce.h - how culvert says that it is ready: a banner on a terminal, one record elsewhere.
 */
#ifndef CULVERT_DAEMON_ANNOUNCE_H
#define CULVERT_DAEMON_ANNOUNCE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base.h"
#include "config/config.h"
#include "admin/http_api.h"

struct announcement {
    const struct snapshot *snapshot;
    const struct bound_addr *bound; /* real addresses */
    unsigned bound_count;
    const struct budget *budget;
    const char *control_path; /* or NULL */
    const char *splice;       /* "yes" or why not */
    int64_t start_us;         /* how long the start took */
};

/* A few lines for people. `utf8`: the terminal knows it. */
void announce_banner(const struct announcement *news, FILE *out, bool utf8);

/* One record `ready`. */
void announce_record(const struct announcement *news);

/* Whether the locale's encoding is UTF-8, by the usual variables. */
bool announce_has_utf8(void);

#endif
