/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_section.h - which checks a pool's key `health` stands for.
 */
#ifndef CULVERT_CONFIG_HEALTH_SECTION_H
#define CULVERT_CONFIG_HEALTH_SECTION_H

#include <stdbool.h>

#include "health/exchange.h"
#include "config/settings.h"

/* What `health` of one pool says. */
struct health_choice {
    bool is_on;
    enum exchange_type type;
    const struct section *section; /* NULL: a built-in profile, with the table's defaults */
    const struct item *tls;        /* speak TLS by this; NULL or off: by none */
};

/* `pool` may be NULL: a listener's own servers. A section that does not exist: not on. */
struct health_choice health_choice_of(const struct settings *settings, const struct section *pool);

/* Whether the checks want a TLS profile that accepts any certificate, for want of another. */
bool health_choice_accepts_any(const struct health_choice *choice);

#endif
