/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask_schedule.h - when a name is asked for again.
 *
 * A good answer holds for its TTL, within bounds and spread by a tenth either way, so that many
 * names or many processes do not ask in step. A failure is retried soon, then ever later. Pure
 * rules: no clock, no timer, no I/O.
 */
#ifndef CULVERT_DISCOVERY_ASK_SCHEDULE_H
#define CULVERT_DISCOVERY_ASK_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* Where the doubling of retries ends, unless the first is later already. */
#define ASK_RETRY_MAX_MS 30000

/* How long an answer of /etc/hosts holds, which has no TTL, unless max_ttl is less. */
#define ASK_FILES_TTL_S 5

/* Soonest question behind another, however urgent. */
#define ASK_GAP_MS 1000

struct ask_rules {
    int64_t min_ttl_ms;
    int64_t max_ttl_ms;
    int64_t failure_retry_ms;
    int64_t stale_ms; /* how long an answer is kept while questions fail; 0 = for ever */
};

/* Times are of the monotonic clock. */
struct ask_schedule {
    int64_t due_ms;      /* when to ask; the first time at once */
    int64_t asked_ms;    /* the last time; 0: never */
    int64_t answered_ms; /* the last good answer; 0: none, or none that still holds */
    int64_t ttl_ms;      /* of that answer, within the bounds */
    int64_t retry_ms;    /* failing: the wait behind the next failure; 0: not failing */
};

/* A question goes out. */
void ask_schedule_asked(struct ask_schedule *schedule, int64_t now_ms);

/* A good answer with this TTL; `random` is any number. */
void ask_schedule_succeeded(struct ask_schedule *schedule, const struct ask_rules *rules,
                            uint32_t ttl_s, uint32_t random, int64_t now_ms);

/* A good answer with this TTL, of which a part is missing: asks again for that part, but no later
   than for the others. The last good answer is still the one before. */
void ask_schedule_succeeded_partly(struct ask_schedule *schedule, const struct ask_rules *rules,
                                   uint32_t ttl_s, uint32_t random, int64_t now_ms);

/* The part is not waited for any more: the answer of then counts as good. Further failures, if
   there were any since, count on. */
void ask_schedule_give_up_part(struct ask_schedule *schedule, int64_t answered_ms, bool is_failing);

/* No answer or a bad one. */
void ask_schedule_failed(struct ask_schedule *schedule, const struct ask_rules *rules,
                         uint32_t random, int64_t now_ms);

/* Something suggests that the answer is out of date: asks as soon as decency allows. */
void ask_schedule_hurry(struct ask_schedule *schedule, const struct ask_rules *rules);

/* Whether the last good answer has been kept for too long; then it is none any more. */
bool ask_schedule_expire(struct ask_schedule *schedule, const struct ask_rules *rules,
                         int64_t now_ms);

/* When something is to be done next: to ask, or to let the answer go. */
int64_t ask_schedule_next_ms(const struct ask_schedule *schedule, const struct ask_rules *rules);

#endif
