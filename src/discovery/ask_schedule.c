/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask_schedule.c - TTLs, retries and their bounds.
 */
#include "discovery/ask_schedule.h"

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Between nine and eleven tenths. */
static int64_t spread(int64_t ms, uint32_t random)
{
    return ms - ms / 10 + (int64_t)((uint64_t)random % ((uint64_t)(ms / 5) + 1));
}

void ask_schedule_asked(struct ask_schedule *schedule, int64_t now_ms)
{
    schedule->asked_ms = now_ms;
}

static int64_t clamp_ttl(const struct ask_rules *rules, uint32_t ttl_s)
{
    return greater(smaller((int64_t)ttl_s * 1000, rules->max_ttl_ms), rules->min_ttl_ms);
}

void ask_schedule_succeeded(struct ask_schedule *schedule, const struct ask_rules *rules,
                            uint32_t ttl_s, uint32_t random, int64_t now_ms)
{
    schedule->ttl_ms = clamp_ttl(rules, ttl_s);
    schedule->answered_ms = now_ms;
    schedule->retry_ms = 0;
    schedule->due_ms = now_ms + greater(spread(schedule->ttl_ms, random), rules->min_ttl_ms);
}

void ask_schedule_failed(struct ask_schedule *schedule, const struct ask_rules *rules,
                         uint32_t random, int64_t now_ms)
{
    int64_t longest = greater(ASK_RETRY_MAX_MS, rules->failure_retry_ms);

    if (schedule->retry_ms == 0)
        schedule->retry_ms = rules->failure_retry_ms;
    schedule->due_ms = now_ms + spread(schedule->retry_ms, random);
    schedule->retry_ms = smaller(schedule->retry_ms * 2, longest);
}

void ask_schedule_succeeded_partly(struct ask_schedule *schedule, const struct ask_rules *rules,
                                   uint32_t ttl_s, uint32_t random, int64_t now_ms)
{
    ask_schedule_failed(schedule, rules, random, now_ms);
    schedule->ttl_ms = clamp_ttl(rules, ttl_s);
    schedule->due_ms = smaller(
        schedule->due_ms, now_ms + greater(spread(schedule->ttl_ms, random), rules->min_ttl_ms));
}

void ask_schedule_give_up_part(struct ask_schedule *schedule, int64_t answered_ms, bool is_failing)
{
    schedule->answered_ms = answered_ms;
    if (!is_failing)
        schedule->retry_ms = 0;
}

void ask_schedule_hurry(struct ask_schedule *schedule, const struct ask_rules *rules)
{
    int64_t soonest_ms = schedule->asked_ms + greater(rules->min_ttl_ms, ASK_GAP_MS);

    schedule->due_ms = smaller(schedule->due_ms, soonest_ms);
}

/* When the last good answer goes; INT64_MAX: not at all. */
static int64_t end_of_answer(const struct ask_schedule *schedule, const struct ask_rules *rules)
{
    /* An answer holds for its TTL in any case: what cannot be asked for anew is kept beyond it. */
    if (schedule->answered_ms == 0 || schedule->retry_ms == 0 || rules->stale_ms == 0)
        return INT64_MAX;
    return schedule->answered_ms + greater(rules->stale_ms, schedule->ttl_ms);
}

bool ask_schedule_expire(struct ask_schedule *schedule, const struct ask_rules *rules,
                         int64_t now_ms)
{
    if (now_ms < end_of_answer(schedule, rules))
        return false;
    schedule->answered_ms = 0;
    return true;
}

int64_t ask_schedule_next_ms(const struct ask_schedule *schedule, const struct ask_rules *rules)
{
    return smaller(schedule->due_ms, end_of_answer(schedule, rules));
}
