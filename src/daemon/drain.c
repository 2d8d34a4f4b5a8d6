/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain.c - which step of a gentle stop is due.
 */
#include "daemon/drain.h"

void drain_begin(struct drain *drain, int64_t now_ms, int64_t delay_ms, int64_t timeout_ms)
{
    drain->state = DRAIN_DELAYED;
    drain->stop_accepting_ms = now_ms + delay_ms;
    drain->deadline_ms = now_ms + (timeout_ms > delay_ms ? timeout_ms : delay_ms);
    if (timeout_ms == 0)
        drain->deadline_ms = INT64_MAX;
}

enum drain_action drain_next(struct drain *drain, int64_t now_ms, int sessions)
{
    switch (drain->state) {
    case DRAIN_NONE:
    case DRAIN_OVER:
        return DRAIN_WAIT;
    case DRAIN_DELAYED:
        if (now_ms < drain->stop_accepting_ms)
            return DRAIN_WAIT;
        drain->state = DRAIN_WAITING;
        return DRAIN_STOP_ACCEPTING;
    case DRAIN_WAITING:
    case DRAIN_CUTTING:
        if (sessions == 0) {
            drain->state = DRAIN_OVER;
            return DRAIN_END;
        }
        if (now_ms < drain->deadline_ms)
            return DRAIN_WAIT;
        if (drain->state == DRAIN_WAITING || sessions < drain->fewest) {
            drain->fewest = sessions;
            drain->progress_ms = now_ms;
        }
        drain->state = DRAIN_CUTTING;
        if (now_ms < drain->progress_ms + DRAIN_STUCK_MS)
            return DRAIN_CUT;
        drain->state = DRAIN_OVER;
        return DRAIN_END;
    }
    return DRAIN_WAIT;
}
