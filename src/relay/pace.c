/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace.c - one round of a flow at a time, each as large as its bucket allows.
 */
#include "relay/pace.h"

#include "core/buffer.h"
#include "core/fault.h"
#include "core/rate.h"
#include "relay/step.h"

#define MS_NS 1000000

static const struct rate *rate_of(const struct session *session, enum side side)
{
    return side == FRONTEND ? &session->listener->upload_rate : &session->listener->download_rate;
}

void pace_start(struct session *session)
{
    for (enum side side = FRONTEND; side <= BACKEND; side++)
        session->flow[side].is_paced = rate_of(session, side)->per_s > 0;
}

/* As flow_init() has it. */
static uint32_t largest_read(const struct session *session)
{
    size_t size = session->listener->buffer_size;

    return (uint32_t)(size < BUFFER_READ_BYTES ? size : BUFFER_READ_BYTES);
}

void pace_stop(struct session *session, enum side side)
{
    session->flow[side].is_paced = false;
    session->flow[side].read_limit = largest_read(session);
}

/* Bytes that a flow has read in its life. */
static uint64_t bytes_read(const struct flow *flow)
{
    return flow->delivered + flow_held(flow);
}

/* Whether the next round would read. */
static bool wants_to_read(const struct flow *flow)
{
    return flow->state == FLOW_OPEN && flow_held(flow) == 0 && flow->source->ready_in &&
           flow->destination->ready_out;
}

static enum flow_wait rest(struct session *session, struct flow *flow, int64_t wait_ns,
                           int64_t now_ms)
{
    flow->read_ms = now_ms; /* the source is silent on our account */
    session_arm(session, now_ms + wait_ns / MS_NS + 1);
    return FLOW_WAITS_FOR_RATE;
}

enum flow_wait pace_pump(struct session *session, enum side side, int64_t now_ms)
{
    struct flow *flow = &session->flow[side];
    const struct rate *rate = rate_of(session, side);
    struct session_words *words = session_words(session);
    int64_t largest = (int64_t)largest_read(session);
    int64_t now_ns = fault_is(FAULT_PACE_NEVER_REFILL) ? 0 : now_ms * MS_NS;
    enum flow_wait wait = FLOW_WAITS_FOR_TURN;
    int64_t *bucket;

    if (words == NULL) {
        flow_break(flow, session->resources, FLOW_BROKEN_BY_MEMORY);
        return FLOW_WAITS_FOR_NOTHING;
    }
    bucket = &words->paid_until_ns[side];
    for (int round = 0; round < RELAY_ROUNDS && wait == FLOW_WAITS_FOR_TURN; round++) {
        uint64_t before = bytes_read(flow);

        if (wants_to_read(flow)) {
            /* Half a bucket is worth a read: few wake-ups, and large enough to splice. */
            int64_t wait_ns = rate_wait_ns(rate, *bucket, (rate->burst + 1) / 2, now_ns);
            int64_t available = rate_available(rate, *bucket, now_ns);

            if (wait_ns > 0 || available < 1)
                return rest(session, flow, wait_ns, now_ms);
            flow->read_limit = (uint32_t)(available < largest ? available : largest);
        }
        wait = flow_pump(flow, session->resources, 1, now_ms);
        if (!fault_is(FAULT_PACE_NEVER_EMPTY))
            *bucket = rate_take(rate, *bucket, (int64_t)(bytes_read(flow) - before), now_ns);
    }
    return wait;
}
