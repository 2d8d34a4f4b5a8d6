/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_wait.c - joining and leaving the queue, and being called.
 */
#include "relay/session_wait.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/fault.h"
#include "pool/pool_queue.h"
#include "relay/step.h"

/* Sessions that look in one turn of the loop, so that a long queue does not hold up the others. */
#define ANSWERS_PER_TURN 64

/* What only sessions that have waited have. */
struct session_waiting {
    struct pool_waiter waiter;
    struct session *session;
    int64_t since_us;
    int64_t waited_us; /* before */
    unsigned forgiven;
    bool is_waiting;
    bool is_called;
};

static struct session_waiting *waiting_of(const struct session *session)
{
    return session->words != NULL ? session->words->waiting : NULL;
}

bool session_is_waiting(const struct session *session)
{
    const struct session_waiting *waiting = waiting_of(session);

    return waiting != NULL && waiting->is_waiting;
}

static struct session_waiting *make_waiting(struct session *session)
{
    struct session_words *words = session_words(session);

    if (words == NULL)
        return NULL;
    if (words->waiting == NULL)
        words->waiting = calloc(1, sizeof(*words->waiting));
    return words->waiting;
}

enum session_wait session_wait_begin(struct session *session)
{
    struct session_waiting *waiting = make_waiting(session);

    if (waiting == NULL)
        return SESSION_WAIT_NO_MEMORY;
    if (pool_is_paused(session->pool))
        waiting->forgiven = session->tried_count;
    if (waiting->is_waiting) {
        if (session->tried_count > waiting->forgiven)
            pool_queue_pass(&waiting->waiter);
        return SESSION_WAITS;
    }
    waiting->session = session;
    waiting->since_us = clock_now_us();
    waiting->waiter = (struct pool_waiter){.pool = NULL};
    if (!pool_queue_join(session->pool, &waiting->waiter, &session->resources->caller))
        return SESSION_WAIT_FULL;
    waiting->is_waiting = true;
    session_set_phase(session, PHASE_QUEUE);
    return SESSION_WAITS;
}

void session_wait_end(struct session *session)
{
    struct session_waiting *waiting = waiting_of(session);
    struct pool_counters *counters;
    int64_t waited_us;
    int64_t began_us;

    if (waiting == NULL || !waiting->is_waiting)
        return;
    counters = &session->resources->counters.pools[session->pool->index];
    waited_us = clock_now_us() - waiting->since_us;
    waiting->is_waiting = false;
    waiting->waited_us += waited_us;
    /* The connecting is timed without it. An age ends as session_age_us() does. */
    began_us = session->began_us + waited_us;
    session->began_us = began_us < UINT32_MAX ? (uint32_t)began_us : UINT32_MAX - 1;
    pool_queue_leave(&waiting->waiter);
    latency_observe(&counters->queue_wait, waited_us);
}

bool session_wait_take_call(struct session *session)
{
    struct session_waiting *waiting = waiting_of(session);
    bool is_called = waiting != NULL && waiting->is_called;

    if (is_called)
        waiting->is_called = false;
    return is_called;
}

int64_t session_wait_deadline_ms(const struct session *session)
{
    const struct session_waiting *waiting = waiting_of(session);
    int64_t timeout_ms = session->pool->options.queue_timeout_ms;

    if (timeout_ms == 0 || fault_is(FAULT_QUEUE_NO_TIMEOUT))
        return INT64_MAX;
    return (waiting->since_us - waiting->waited_us) / 1000 + timeout_ms;
}

int64_t session_wait_us(const struct session *session)
{
    const struct session_waiting *waiting = waiting_of(session);

    if (waiting == NULL)
        return 0;
    return waiting->waited_us + (waiting->is_waiting ? clock_now_us() - waiting->since_us : 0);
}

unsigned session_wait_forgiven(const struct session *session)
{
    const struct session_waiting *waiting = waiting_of(session);

    return waiting != NULL ? waiting->forgiven : 0;
}

void relay_answer_calls(struct relay_resources *resources)
{
    for (int i = 0; i < ANSWERS_PER_TURN; i++) {
        struct pool_waiter *waiter = pool_caller_take(&resources->caller);
        struct session_waiting *waiting;

        if (waiter == NULL)
            return;
        waiting = CONTAINER_OF(waiter, struct session_waiting, waiter);
        waiting->is_called = true;
        session_run(waiting->session);
    }
    resources->caller.wake(&resources->caller);
}
