/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay_resources.c - the run queue, the tick and the rest of what sessions of a worker share.
 *
 * A TLS handshake costs as much as hundreds of reads, so each turn of the loop makes one step of
 * one handshake, and all other sessions have their turns in between.
 *
 * The run queue is driven by a zero timer, never by event_active(): from a callback, libevent 2.1
 * would empty its active queue before it polls again, and a few busy sessions could keep it from
 * polling for ever.
 */
#include "relay/relay_resources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/fault.h"
#include "relay/session.h"

static const struct timeval no_delay = {0, 0};
static const struct timeval tick_delay = {0, RELAY_TICK_MS * 1000};

static const struct timeval far_away = {10 * 365 * 86400, 0};

/* Room that was given up comes back with memory. */
static void keep_rooms(struct relay_resources *resources)
{
    for (size_t i = 0; i < RELAY_ROOMS; i++) {
        if (!evtimer_pending(resources->rooms[i], NULL))
            event_add(resources->rooms[i], &far_away);
    }
}

bool relay_add_timer(struct relay_resources *resources, struct event *timer,
                     const struct timeval *delay)
{
    for (size_t i = 0; event_add(timer, delay) == -1; i++) {
        while (i < RELAY_ROOMS && !evtimer_pending(resources->rooms[i], NULL))
            i++;
        if (i >= RELAY_ROOMS)
            return false;
        event_del(resources->rooms[i]);
    }
    return true;
}

/* Sessions queued when the turn begins; those that queue meanwhile wait for the next. Then one step
   of the handshake that has waited longest. */
static void on_run_queue(evutil_socket_t fd, short what, void *argument)
{
    struct relay_resources *resources = argument;
    struct list turn;
    struct list_link *link;

    (void)fd;
    (void)what;
    resources->is_run_pending = false;
    keep_rooms(resources);
    list_init(&turn);
    list_move_all(&turn, &resources->run_queue);
    while ((link = list_take_first(&turn)) != NULL)
        session_run(CONTAINER_OF(link, struct session, queue));
    link = list_take_first(&resources->handshakes);
    if (link != NULL)
        session_handshake(CONTAINER_OF(link, struct session, queue));
    if (!list_is_empty(&resources->handshakes))
        relay_wake_run_queue(resources);
}

/*
 * Asks the first `count` conns of the list in one poll(2), which consumes nothing, and moves those
 * with something to tell to `telling`. The others leave the list: silence is what they should have.
 * When it fails (without memory) each has to be read, for nobody would ask again.
 */
static void ask_conns(struct relay_resources *resources, struct list *silent, unsigned count,
                      struct list *telling)
{
    struct pollfd *looks = resources->looks;
    int told;

    if (count == 0)
        return;
    told = poll(looks, count, 0);
    for (unsigned i = 0; i < count; i++) {
        struct list_link *link = list_take_first(silent);
        struct conn *conn = CONTAINER_OF(link, struct conn, recheck);

        if (told == -1 || conn->holds_up_pipe || looks[i].revents != 0)
            list_append(telling, link);
    }
}

/*
 * Conns that were silent since the last tick are asked what an edge may have hidden; busy ones stay
 * on the list. A session may end here and take its other conn off whatever list that is in.
 */
static void tick_rechecks(struct relay_resources *resources)
{
    struct list turn, silent, telling;
    struct list_link *link;
    unsigned count = 0;

    list_init(&turn);
    list_init(&silent);
    list_init(&telling);
    list_move_all(&turn, &resources->recheck);
    while ((link = list_take_first(&turn)) != NULL) {
        struct conn *conn = CONTAINER_OF(link, struct conn, recheck);

        if (conn->was_active) {
            conn->was_active = false;
            list_append(&resources->recheck, link);
            continue;
        }
        list_append(&silent, link);
        resources->looks[count++] =
            (struct pollfd){.fd = conn->fd, .events = POLLIN | POLLRDHUP | POLLPRI};
        if (count == RELAY_LOOKS) {
            ask_conns(resources, &silent, count, &telling);
            count = 0;
        }
    }
    ask_conns(resources, &silent, count, &telling);
    while ((link = list_take_first(&telling)) != NULL)
        session_recheck(CONTAINER_OF(link, struct conn, recheck));
}

/* Sessions that wait for a buffer read again, one by one, while there is room. */
static void tick_buffer_waiters(struct relay_resources *resources)
{
    struct list turn;

    list_init(&turn);
    list_move_all(&turn, &resources->buffer_waiters);
    while (!list_is_empty(&turn) && !buffer_is_scarce(&resources->buffers))
        session_run(CONTAINER_OF(list_take_first(&turn), struct session, queue));
    /* Those still waiting keep their places before newcomers. */
    list_move_all(&turn, &resources->buffer_waiters);
    list_move_all(&resources->buffer_waiters, &turn);
}

static void on_tick(evutil_socket_t fd, short what, void *argument)
{
    struct relay_resources *resources = argument;

    (void)fd;
    (void)what;
    resources->is_tick_pending = false;
    keep_rooms(resources);
    tick_rechecks(resources);
    tick_buffer_waiters(resources);
    if (!list_is_empty(&resources->recheck) || !list_is_empty(&resources->buffer_waiters))
        relay_wake_tick(resources);
}

void relay_wake_run_queue(struct relay_resources *resources)
{
    if (resources->is_run_pending)
        return;
    if (fault_is(FAULT_EVENT_ACTIVE_QUEUE)) {
        event_active(resources->run_event, EV_TIMEOUT, 0);
        resources->is_run_pending = true;
        return;
    }
    resources->is_run_pending = relay_add_timer(resources, resources->run_event, &no_delay);
}

void relay_wake_tick(struct relay_resources *resources)
{
    if (resources->is_tick_pending)
        return;
    resources->is_tick_pending = relay_add_timer(resources, resources->tick_event, &tick_delay);
}

void relay_offer_place(struct relay_resources *resources)
{
    (void)relay_add_timer(resources, resources->place_event, &no_delay);
}

void relay_recheck(struct relay_resources *resources, struct conn *conn)
{
    if (list_contains_link(&conn->recheck))
        return;
    list_append(&resources->recheck, &conn->recheck);
    relay_wake_tick(resources);
}

bool relay_give_up_slack(struct relay_resources *resources)
{
    if (!atomic_load_explicit(&resources->has_slack, memory_order_relaxed))
        return false;
    for (size_t i = 0; i < RELAY_SLACK; i++)
        close(resources->slack[i]);
    atomic_store_explicit(&resources->has_slack, false, memory_order_relaxed);
    return true;
}

bool relay_take_slack(struct relay_resources *resources)
{
    if (atomic_load_explicit(&resources->has_slack, memory_order_relaxed))
        return true;
    for (size_t i = 0; i < RELAY_SLACK; i++) {
        resources->slack[i] = eventfd(0, EFD_CLOEXEC);
        if (resources->slack[i] == -1) {
            int error = errno;

            while (i-- > 0)
                close(resources->slack[i]);
            errno = error;
            return false;
        }
    }
    atomic_store_explicit(&resources->has_slack, true, memory_order_relaxed);
    return true;
}

uint64_t relay_random(struct relay_resources *resources)
{
    uint64_t x = resources->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    resources->random = x;
    return x * UINT64_C(2685821657736338717);
}

static void on_far_day(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    (void)argument;
}

/* Until the worker says how it is woken. */
static void wake_nobody(struct pool_caller *caller)
{
    (void)caller;
}

static bool make_rooms(struct relay_resources *resources)
{
    for (size_t i = 0; i < RELAY_ROOMS; i++) {
        resources->rooms[i] = evtimer_new(resources->base, on_far_day, NULL);
        if (resources->rooms[i] == NULL || event_add(resources->rooms[i], &far_away) == -1)
            return false;
    }
    return true;
}

bool relay_resources_init(struct relay_resources *resources, struct event_base *base,
                          const struct snapshot *snapshot, struct buffer_budget *buffers,
                          struct pipe_budget *pipes)
{
    memset(resources, 0, sizeof(*resources));
    resources->base = base;
    list_init(&resources->sessions);
    list_init(&resources->run_queue);
    list_init(&resources->handshakes);
    list_init(&resources->buffer_waiters);
    list_init(&resources->recheck);
    pool_caller_init(&resources->caller, wake_nobody);
    buffer_cache_init(&resources->buffers, buffers);
    pipe_cache_init(&resources->pipes, pipes);
    builtin_init(&resources->builtin, base);
    resources->random = 1;
    resources->next_id = 1;
    resources->scratch = malloc(BUFFER_READ_BYTES);
    resources->looks = calloc(RELAY_LOOKS, sizeof(resources->looks[0]));
    resources->run_event = evtimer_new(base, on_run_queue, resources);
    resources->tick_event = evtimer_new(base, on_tick, resources);
    if (resources->scratch == NULL || resources->looks == NULL || resources->run_event == NULL ||
        resources->tick_event == NULL || !make_rooms(resources) ||
        !relay_counters_init(&resources->counters, snapshot)) {
        relay_resources_release(resources);
        return false;
    }
    (void)relay_take_slack(resources); /* else before the first accept */
    return true;
}

void relay_resources_release(struct relay_resources *resources)
{
    if (resources->base == NULL)
        return;
    (void)relay_give_up_slack(resources);
    builtin_release(&resources->builtin);
    pipe_cache_release(&resources->pipes);
    buffer_cache_release(&resources->buffers);
    relay_counters_release(&resources->counters);
    if (resources->run_event != NULL)
        event_free(resources->run_event);
    if (resources->tick_event != NULL)
        event_free(resources->tick_event);
    for (size_t i = 0; i < RELAY_ROOMS; i++) {
        if (resources->rooms[i] != NULL)
            event_free(resources->rooms[i]);
    }
    pool_caller_release(&resources->caller);
    free(resources->scratch);
    free(resources->looks);
    memset(resources, 0, sizeof(*resources));
}
