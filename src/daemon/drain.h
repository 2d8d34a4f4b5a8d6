/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain.h - the order of a gentle stop.
 *
 * Told to stop, culvert first only says that it is not ready (drain_delay), then stops accepting,
 * waits for sessions to end until drain_timeout has passed since it was told, and then cuts what is
 * left, idle sessions first and a bounded number a second: a million resets at once would hurt
 * everybody. This is the plan alone: the daemon asks on a timer what is due and does it.
 */
#ifndef CULVERT_DAEMON_DRAIN_H
#define CULVERT_DAEMON_DRAIN_H

#include <stdint.h>

#include "core/base.h"

/* How often the daemon asks. */
#define DRAIN_TICK_MS 50

/* Sessions cut at most in one tick: 50,000 a second. */
#define DRAIN_CUT_PER_TICK 2500

/* Cutting that ends no session for so long has met a worker that hangs: the stop goes on. */
#define DRAIN_STUCK_MS 5000

enum drain_state {
    DRAIN_NONE,
    DRAIN_DELAYED, /* still accepting */
    DRAIN_WAITING, /* for sessions to end by themselves */
    DRAIN_CUTTING,
    DRAIN_OVER, /* no session is left */
};

struct drain {
    enum drain_state state;
    int64_t stop_accepting_ms;
    int64_t deadline_ms;
    int fewest;          /* sessions, since cutting began */
    int64_t progress_ms; /* when there were last fewer */
};

enum drain_action {
    DRAIN_WAIT,           /* nothing is due */
    DRAIN_STOP_ACCEPTING, /* once */
    DRAIN_CUT,            /* up to DRAIN_CUT_PER_TICK sessions */
    DRAIN_END,            /* once: stop the process; sessions are left if a worker hangs */
};

/* Begins a drain; `timeout_ms` counts from now, and is never shorter than the delay; 0 = off:
   sessions are never cut. */
void drain_begin(struct drain *drain, int64_t now_ms, int64_t delay_ms, int64_t timeout_ms);

/* What is due at `now_ms` with `sessions` alive. */
enum drain_action drain_next(struct drain *drain, int64_t now_ms, int sessions);

#endif
