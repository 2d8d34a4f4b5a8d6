/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_rules.c - rise and fall, and the pauses between checks.
 */
#include "health/health_rules.h"

#include "core/fault.h"

/* The first checks of a pool are spread over no more than this. */
#define FIRST_MAX_MS 2000

void health_rules_init(struct health_rules *rules, const struct health_timing *timing)
{
    *rules = (struct health_rules){.is_up = !timing->starts_down, .is_new = true};
}

enum health_change health_rules_note(struct health_rules *rules, const struct health_timing *timing,
                                     bool is_good)
{
    bool is_first_chance = rules->is_new && !rules->is_up;
    int wanted = rules->is_up ? timing->fall : timing->rise;

    rules->is_new = false;
    if (is_good == rules->is_up) {
        rules->against = 0;
        return HEALTH_SAME;
    }
    rules->against++;
    if (rules->against < wanted && !is_first_chance && !fault_is(FAULT_HEALTH_FIRST_FAIL))
        return HEALTH_SAME;
    rules->against = 0;
    rules->is_up = is_good;
    return is_good ? HEALTH_WENT_UP : HEALTH_WENT_DOWN;
}

bool health_rules_end_ejection(struct health_rules *rules, const struct health_timing *timing,
                               bool is_ejected, bool is_good)
{
    if (!is_ejected || !is_good) {
        rules->good = 0;
        return false;
    }
    rules->good++;
    if (rules->good < timing->rise)
        return false;
    rules->good = 0;
    return true;
}

int64_t health_rules_pause_ms(const struct health_rules *rules, const struct health_timing *timing,
                              uint64_t random)
{
    int64_t pause_ms = rules->against > 0 ? timing->fast_interval_ms
                       : rules->is_up     ? timing->interval_ms
                                          : timing->down_interval_ms;
    /* From -jitter to +jitter, in hundredths of a percent. */
    int64_t range = (int64_t)timing->jitter_percent * 100;
    int64_t share = range == 0 ? 0 : (int64_t)(random % (uint64_t)(2 * range + 1)) - range;

    pause_ms += pause_ms / 100 * share / 100 + pause_ms % 100 * share / 10000;
    return pause_ms < 1 ? 1 : pause_ms;
}

int64_t health_rules_first_ms(const struct health_timing *timing, uint64_t random)
{
    int64_t most_ms = timing->interval_ms < FIRST_MAX_MS ? timing->interval_ms : FIRST_MAX_MS;

    /* A server that waits for its first good check waits no longer than it must. */
    if (timing->starts_down)
        most_ms /= 10;
    return most_ms < 1 ? 0 : (int64_t)(random % (uint64_t)most_ms);
}
