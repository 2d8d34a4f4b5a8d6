/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace.h - upload_rate and download_rate: a flow that moves so many bytes a second.
 *
 * The flow reads no more than its bucket holds, whichever way it moves bytes, and rests until there
 * is enough for a worthwhile read. What it does not read stays in the kernel, so that the sender
 * slows down. Flows without a rate never come here.
 */
#ifndef CULVERT_RELAY_PACE_H
#define CULVERT_RELAY_PACE_H

#include "core/base.h"
#include "relay/session.h"

/* Gives the session's flows the rates of its listener. */
void pace_start(struct session *session);

/* The flow that reads from this side has no rate from now on. */
void pace_stop(struct session *session, enum side side);

/* flow_pump() of a flow with a rate. FLOW_WAITS_FOR_RATE: the session's timer is armed. Without
   memory for its bucket the flow breaks. */
enum flow_wait pace_pump(struct session *session, enum side side, int64_t now_ms);

/* Whether one of the session's flows has a rate. */
static inline bool pace_is_on(const struct session *session)
{
    return session->flow[UPLOAD].is_paced || session->flow[DOWNLOAD].is_paced;
}

#endif
