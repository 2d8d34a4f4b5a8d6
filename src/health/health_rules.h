/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_rules.h - when a server is up or down by its checks, and when the next check is due.
 *
 * Pure: results and random numbers go in, decisions come out.
 */
#ifndef CULVERT_HEALTH_HEALTH_RULES_H
#define CULVERT_HEALTH_HEALTH_RULES_H

#include <stdbool.h>
#include <stdint.h>

/* The part of a [health] profile that speaks of time; milliseconds. */
struct health_timing {
    int64_t interval_ms;
    int64_t fast_interval_ms; /* while the results speak against the state */
    int64_t down_interval_ms; /* while down */
    int64_t timeout_ms;
    int rise; /* good checks in a row that bring a server up */
    int fall; /* failed ones that take it down */
    int jitter_percent;
    bool starts_down; /* until the first good check, which is enough then */
};

/* What the results so far say of one server. */
struct health_rules {
    bool is_up;
    bool is_new; /* no result yet */
    int against; /* results in a row that contradict `is_up` */
    int good;    /* good results in a row while the server was ejected */
};

enum health_change { HEALTH_SAME, HEALTH_WENT_UP, HEALTH_WENT_DOWN };

void health_rules_init(struct health_rules *rules, const struct health_timing *timing);

/* Takes a result in. */
enum health_change health_rules_note(struct health_rules *rules, const struct health_timing *timing,
                                     bool is_good);

/*
 * Takes a result of a server in that may be ejected for failed connects. True when `rise` good
 * checks in a row have spoken against the ejection, which is over then.
 */
bool health_rules_end_ejection(struct health_rules *rules, const struct health_timing *timing,
                               bool is_ejected, bool is_good);

/* From the start of one check to the start of the next, at random within the jitter; `random` is
   any 64 bits. At least 1. */
int64_t health_rules_pause_ms(const struct health_rules *rules, const struct health_timing *timing,
                              uint64_t random);

/* The first check of a server: at random within one interval, so that many do not go together. */
int64_t health_rules_first_ms(const struct health_timing *timing, uint64_t random);

#endif
