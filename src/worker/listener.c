/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.c - from a listening socket to a session on the right worker.
 */
#include "worker/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "net/socket.h"
#include "relay/session.h"
#include "relay/source_table.h"
#include "worker/held.h"
#include "worker/places.h"
#include "worker/worker_internal.h"

/* Accepts per wake-up, so that a flood of connections cannot starve the sessions. */
#define ACCEPT_BUDGET 16

/* More than any backlog: bounds the emptying of a queue that someone floods. */
#define QUEUE_MAX 65536

/* How long accepting rests after a shortage, and at a limit (a freed place ends that one earlier).
 */
#define SHORTAGE_PAUSE_MS 100
#define LIMIT_PAUSE_MS 20

/* A worker hands over when it has this many sessions more than the least loaded one, or more than
   one in 64 of all. */
#define HANDOVER_LEAD 8

/* Looks at paused listeners at this time or earlier. False without memory for that. */
static bool look_again_at(struct worker *worker, int64_t resume_ms, int64_t now_ms)
{
    const struct timeval delay = {.tv_usec = (resume_ms - now_ms) * 1000};

    if (evtimer_pending(worker->resume_event, NULL) && worker->resume_ms <= resume_ms)
        return true;
    if (!relay_add_timer(&worker->resources, worker->resume_event, &delay))
        return false;
    worker->resume_ms = resume_ms;
    return true;
}

static void pause_accepting(struct listener *listener, int64_t pause_ms, enum listener_pause cause)
{
    struct worker *worker = listener->worker;
    int64_t now_ms = clock_now_ms();

    if (!look_again_at(worker, now_ms + pause_ms, now_ms))
        return; /* no memory to wake up again: it may not fall asleep */
    event_del(listener->event);
    listener->is_paused = true;
    listener->pause_cause = cause;
    listener->resume_ms = now_ms + pause_ms;
    if (cause == PAUSED_BY_LIMIT)
        worker->resources.wants_places = true;
}

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE;
}

/* Whether accept4(2) told of a connection that failed in the queue (accept(2), "Error handling"):
   the socket itself is well, and the connection is gone from it. */
static bool is_error_of_connection(int error)
{
    switch (error) {
    case ECONNABORTED:
    case EPERM: /* a firewall's rule */
    case EPROTO:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

static struct counter *accept_counter(struct accept_counters *counters, int error)
{
    switch (error) {
    case EMFILE:
        return &counters->emfile;
    case ENFILE:
        return &counters->enfile;
    case ENOBUFS:
        return &counters->enobufs;
    case ENOMEM:
        return &counters->enomem;
    default:
        return &counters->other;
    }
}

/* True when accepting may go on at once; false when the listener rests now: in a shortage, or
   because the socket will fail again at once (somebody has shut it down, for one). */
static bool survive_accept_error(struct listener *listener, int error)
{
    struct worker *worker = listener->worker;
    uint64_t suppressed;

    counter_add(accept_counter(&worker->accept_counters, error), 1);
    if (is_error_of_connection(error))
        return true;
    if (log_limit_pass(&worker->accept_log, clock_now_ms(), &suppressed)) {
        struct log_event event;
        char number[16];

        log_event_begin(&event, LOG_WARN, "accept_paused");
        log_event_string(&event, "listener", listener->config->name);
        log_event_string(&event, "errno", errno_word(error, number, sizeof(number)));
        log_event_integer(&event, "suppressed", (int64_t)suppressed);
        log_event_post(&event);
    }
    pause_accepting(listener, SHORTAGE_PAUSE_MS, PAUSED_BY_SHORTAGE);
    return false;
}

/* A record for a connection that never became a session. */
static void record_refusal(struct worker *worker, const struct listener_config *config,
                           const struct addr *client, enum close_reason reason)
{
    struct session_record record;

    if (config->access == ACCESS_OFF || !log_is_enabled(LOG_INFO))
        return;
    memset(&record, 0, sizeof(record));
    strncpy(record.listener, config->name, sizeof(record.listener) - 1);
    session_record_set_client(record.client, client, config->snapshot->process.client_ip);
    record.id = worker->resources.next_id++;
    record.reason = reason;
    record.first = FIRST_CULVERT;
    record.started_wall_us = clock_wall_us();
    record.connect_us = -1;
    record.first_byte_us = -1;
    log_post(LOG_INFO, LOG_ACCESS, session_record_expand_end, &record, sizeof(record));
}

static void count_refusal(struct listener *listener, enum close_reason reason, enum rejection why)
{
    struct relay_counters *counters = &listener->worker->resources.counters;
    const struct listener_config *config = listener->config;

    if (reason == CLOSE_LIMIT) {
        counter_add(&counters->listeners[config->index].rejected[why], 1);
        return;
    }
    counter_add(&counters->listeners[config->index].accepted, 1);
    counter_add(&counters->tallies[config->first_tally].closed[reason], 1);
}

static void close_refused(int fd, const struct addr *client, bool may_end)
{
    if (may_end || client->family == AF_UNIX)
        close(fd);
    else
        socket_reset_close(fd);
}

/* Refusals that a flood of clients can cause: one record a second, and how many there were. */
static void record_rejection(struct listener *listener, const struct addr *client,
                             enum close_reason reason)
{
    uint64_t suppressed;
    struct log_event event;

    if (!log_limit_pass(&listener->worker->rejection_log, clock_now_ms(), &suppressed))
        return;
    record_refusal(listener->worker, listener->config, client, reason);
    if (suppressed == 0)
        return;
    log_event_begin(&event, LOG_INFO, "refusals_not_logged");
    log_event_integer(&event, "count", (int64_t)suppressed);
    log_event_post(&event);
}

/* Refuses a connection that was accepted and has no places: at a limit or beyond a rate under
   `on_limit = reset | close`, or when nobody will be served any more. */
static void refuse(struct listener *listener, int fd, const struct addr *client,
                   enum close_reason reason, enum rejection why)
{
    count_refusal(listener, reason, why);
    if (why == REJECTED_RATE)
        record_rejection(listener, client, reason);
    else
        record_refusal(listener->worker, listener->config, client, reason);
    close_refused(fd, client, listener->worker->snapshot->process.on_limit == ON_LIMIT_CLOSE);
}

/* The next connection of the queue; -1 when there is none or accepting failed, and then `*goes_on`
   says whether the next try may come at once. */
static int take_from_queue(struct listener *listener, struct addr *client, bool *goes_on)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof(storage);
    int fd =
        accept4(listener->fd, (struct sockaddr *)&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd == -1) {
        int error = errno;

        *goes_on = error == EINTR || (error != EAGAIN && survive_accept_error(listener, error));
        return -1;
    }
    addr_from_sockaddr(client, (struct sockaddr *)&storage, length);
    return fd;
}

/* Takes one connection and refuses it. False when the queue is empty, or the listener rests now. */
static bool refuse_next(struct listener *listener, enum close_reason reason, enum rejection why)
{
    struct addr client;
    bool goes_on;
    int fd = take_from_queue(listener, &client, &goes_on);

    if (fd == -1)
        return goes_on;
    refuse(listener, fd, &client, reason, why);
    return true;
}

/* `deny_action = drop`: the client hears nothing. Where the kernel cannot forget the connection it
   is held, for which it needs places; without them it is reset. */
static void drop(struct listener *listener, int fd)
{
    struct worker *worker = listener->worker;

    if (socket_forget(fd))
        return;
    if (!places_reserve(worker, listener->config))
        socket_reset_close(fd);
    else if (!held_add(worker, listener->config, fd))
        places_release(worker, listener->config, NULL);
}

/* Refuses a connection that was accepted and has no places: by a rule or a limit of its source. */
static void reject(struct listener *listener, int fd, const struct addr *client, enum rejection why)
{
    struct worker *worker = listener->worker;
    struct listener_config *config = listener->config;
    bool is_denied = why == REJECTED_DENIED;
    bool may_end = is_denied ? config->deny_action == DENY_CLOSE
                             : worker->snapshot->process.on_limit == ON_LIMIT_CLOSE;

    counter_add(&worker->resources.counters.listeners[config->index].rejected[why], 1);
    record_rejection(listener, client, is_denied ? CLOSE_DENIED : CLOSE_LIMIT);
    if (is_denied && config->deny_action == DENY_DROP)
        drop(listener, fd);
    else
        close_refused(fd, client, may_end);
}

/* The worker that should serve the next session: the accepting one, unless it is clearly ahead. */
static struct worker *choose_worker(const struct listener *listener)
{
    struct worker *accepting = listener->worker;
    const struct worker_shared *shared = accepting->shared;
    struct worker *least = accepting;
    int least_sessions = atomic_load_explicit(&accepting->sessions, memory_order_relaxed) - 1;
    int own = least_sessions;
    int total = atomic_load_explicit(&shared->sessions, memory_order_relaxed);
    int lead = total / 64 > HANDOVER_LEAD ? total / 64 : HANDOVER_LEAD;

    if (listener->is_only_socket)
        lead = 0;
    for (unsigned i = 0; i < shared->worker_count; i++) {
        struct worker *worker = shared->workers[i];
        int sessions = atomic_load_explicit(&worker->sessions, memory_order_relaxed);

        if (sessions < least_sessions &&
            atomic_load_explicit(&worker->resources.has_slack, memory_order_relaxed)) {
            least_sessions = sessions;
            least = worker;
        }
    }
    return own > least_sessions + lead ? least : accepting;
}

/* Starts the session here; its places and a reference to the snapshot are reserved. */
static void start_here(struct worker *worker, struct listener_config *config, int fd,
                       const struct addr *client, int64_t accepted_us)
{
    struct tally_counters *tally = &worker->resources.counters.tallies[config->first_tally];

    if (session_start(&worker->resources, config, fd, client, accepted_us))
        return;
    counter_add(&tally->closed[CLOSE_NO_RESOURCES], 1);
    record_refusal(worker, config, client, CLOSE_NO_RESOURCES);
    if (client->family == AF_UNIX)
        close(fd);
    else
        socket_reset_close(fd);
    places_release(worker, config, client);
    snapshot_unref(config->snapshot);
}

/* Gives the connection to the other worker. False when its mailbox is closed or memory is short. */
static bool hand_over(struct worker *from, struct worker *to, struct listener_config *config,
                      int fd, const struct addr *client, int64_t accepted_us)
{
    struct message message = {
        .kind = MESSAGE_SESSION,
        .fd = fd,
        .listener = config,
        .client = *client,
        .accepted_us = accepted_us,
    };

    snapshot_ref(config->snapshot);
    places_move(from, to); /* at once, so that a burst does not overshoot */
    if (mailbox_post(&to->mailbox, &message))
        return true;
    places_move(to, from);
    snapshot_unref(config->snapshot);
    return false;
}

static int64_t now_ns(void)
{
    return clock_now_us() * 1000;
}

/* How long until connection_rate of the process and of the listener let one more in. */
static int64_t rate_pause_ns(const struct listener *listener)
{
    const struct rate *own = &listener->config->connection_rate;
    const struct rate *whole = &listener->worker->snapshot->process.connection_rate;
    int64_t pause_ns = 0;
    int64_t whole_ns = 0;

    if (own->per_s > 0)
        pause_ns = rate_wait_ns(own,
                                atomic_load_explicit(&listener->config->connections_paid_until_ns,
                                                     memory_order_relaxed),
                                1, now_ns());
    if (whole->per_s > 0)
        whole_ns =
            rate_wait_ns(whole,
                         atomic_load_explicit(&listener->worker->shared->connections_paid_until_ns,
                                              memory_order_relaxed),
                         1, now_ns());
    return pause_ns > whole_ns ? pause_ns : whole_ns;
}

/* Nobody has to wait for more than a look at it. */
static int64_t rate_pause_ms(int64_t pause_ns)
{
    int64_t pause_ms = pause_ns / 1000000 + 1;

    return pause_ms < SHORTAGE_PAUSE_MS ? pause_ms : SHORTAGE_PAUSE_MS;
}

static void take_rate(const struct listener *listener)
{
    const struct rate *own = &listener->config->connection_rate;
    const struct rate *whole = &listener->worker->snapshot->process.connection_rate;

    if (own->per_s > 0)
        rate_take_shared(own, &listener->config->connections_paid_until_ns, now_ns());
    if (whole->per_s > 0)
        rate_take_shared(whole, &listener->worker->shared->connections_paid_until_ns, now_ns());
}

/* Beyond a rate. False when the listener rests now, or the queue is empty. */
static bool hold_back(struct listener *listener, int64_t pause_ms)
{
    if (listener->worker->snapshot->process.on_limit != ON_LIMIT_PAUSE)
        return refuse_next(listener, CLOSE_LIMIT, REJECTED_RATE);
    pause_accepting(listener, pause_ms, PAUSED_BY_RATE);
    return false;
}

/* What the rules and the limits of its source say to a connection; REJECTED_COUNT: nothing. */
static enum rejection examine(const struct listener *listener, const struct addr *client)
{
    if (!listener_admits(listener->config, client))
        return REJECTED_DENIED;
    switch (
        source_table_enter(listener->worker->shared->sources, listener->config, client, now_ns())) {
    case SOURCE_ADMITTED:
        return REJECTED_COUNT;
    case SOURCE_AT_LIMIT:
        return REJECTED_LIMIT_IP;
    case SOURCE_TOO_FAST:
        return REJECTED_RATE_IP;
    }
    return REJECTED_COUNT;
}

/* Whether a connection becomes a session, with its places; it is refused otherwise. Who is refused
   for himself holds no place meanwhile: others would be refused for it. */
static bool let_in(struct listener *listener, int fd, const struct addr *client, bool has_places)
{
    struct worker *worker = listener->worker;
    struct listener_config *config = listener->config;
    enum rejection why = examine(listener, client);

    if (why != REJECTED_COUNT) {
        if (has_places)
            places_release(worker, config, NULL);
        take_rate(listener);
        reject(listener, fd, client, why);
        return false;
    }
    if (!has_places && !places_reserve(worker, config)) {
        source_table_withdraw(worker->shared->sources, config, client);
        refuse(listener, fd, client, CLOSE_LIMIT, REJECTED_LIMIT);
        return false;
    }
    take_rate(listener);
    return true;
}

/* Accepts one connection. False when there is none, or the listener rests now. */
static bool accept_one(struct listener *listener)
{
    struct worker *worker = listener->worker;
    struct worker_shared *shared = worker->shared;
    struct listener_config *config = listener->config;
    /* Who is to wait at a limit waits in the kernel's queue, so the places come first, and go back
       when that queue is empty. Another worker that sees them taken meanwhile only looks again
       later: but where it would refuse for nothing the places come last. */
    bool has_places = worker->snapshot->process.on_limit == ON_LIMIT_PAUSE && !listener->is_closing;
    struct addr client;
    struct worker *target;
    int64_t pause_ns;
    int64_t accepted_us;
    bool goes_on;
    int fd;

    if (!relay_take_slack(&worker->resources) && is_shortage(errno)) {
        (void)survive_accept_error(listener, errno);
        return false;
    }
    pause_ns = rate_pause_ns(listener);
    if (pause_ns > 0)
        return hold_back(listener, rate_pause_ms(pause_ns));
    if (has_places && !places_reserve(worker, config)) {
        pause_accepting(listener, LIMIT_PAUSE_MS, PAUSED_BY_LIMIT);
        return false;
    }
    fd = take_from_queue(listener, &client, &goes_on);
    if (fd == -1) {
        if (has_places)
            places_release(worker, config, NULL);
        return goes_on;
    }
    accepted_us = clock_now_us();
    if (!let_in(listener, fd, &client, has_places))
        return true;
    counter_add(&worker->resources.counters.listeners[config->index].accepted, 1);

    target = shared->worker_count > 1 ? choose_worker(listener) : worker;
    if (target == worker || !hand_over(worker, target, config, fd, &client, accepted_us)) {
        snapshot_ref(config->snapshot);
        start_here(worker, config, fd, &client, accepted_us);
    }
    return true;
}

static void on_acceptable(evutil_socket_t fd, short what, void *argument)
{
    struct listener *listener = argument;

    (void)fd;
    (void)what;
    for (int i = 0; i < ACCEPT_BUDGET; i++) {
        if (!accept_one(listener))
            return;
    }
}

bool listener_open(struct listener *listener)
{
    listener->event = event_new(listener->worker->base, listener->fd, EV_READ | EV_PERSIST,
                                on_acceptable, listener);
    if (listener->event == NULL)
        return false;
    return event_add(listener->event, NULL) == 0;
}

/*
 * The last look at the queue: the kernel has accepted those in it on our behalf. Who can be served
 * is; the others cannot wait any longer, so they are refused with a word in the log instead of
 * being dropped by the kernel.
 */
static void empty_queue(struct listener *listener)
{
    for (int i = 0; i < QUEUE_MAX; i++) {
        bool is_rate;

        listener->is_paused = false; /* a descriptor may be free by now */
        if (accept_one(listener))
            continue;
        if (!listener->is_paused)
            return; /* it is empty */
        is_rate = listener->pause_cause == PAUSED_BY_RATE;
        (void)relay_give_up_slack(&listener->worker->resources);
        if (!refuse_next(listener, is_rate ? CLOSE_LIMIT : CLOSE_NO_RESOURCES,
                         is_rate ? REJECTED_RATE : REJECTED_LIMIT))
            return;
    }
}

void listener_close(struct listener *listener)
{
    if (listener->fd == -1)
        return;
    if (listener->event != NULL) {
        listener->is_closing = true;
        empty_queue(listener);
        listener->is_paused = false;
        event_free(listener->event);
    }
    close(listener->fd);
    listener->event = NULL;
    listener->fd = -1;
}

void listener_receive(struct worker *worker, const struct message *message)
{
    start_here(worker, message->listener, message->fd, &message->client, message->accepted_us);
}

void listener_resume_all(struct worker *worker, bool has_place)
{
    int64_t now_ms = clock_now_ms();
    int64_t next_ms = INT64_MAX;
    bool wants_places = false;

    for (unsigned i = 0; i < worker->listener_count; i++) {
        struct listener *listener = &worker->listeners[i];

        if (!listener->is_paused || listener->fd == -1)
            continue;
        if (listener->resume_ms <= now_ms ||
            (has_place && listener->pause_cause == PAUSED_BY_LIMIT)) {
            listener->is_paused = event_add(listener->event, NULL) == -1;
            if (!listener->is_paused)
                continue;
            listener->resume_ms = now_ms + SHORTAGE_PAUSE_MS; /* no memory to watch it */
        }
        wants_places |= listener->pause_cause == PAUSED_BY_LIMIT;
        if (listener->resume_ms < next_ms)
            next_ms = listener->resume_ms;
    }
    worker->resources.wants_places = wants_places;
    if (next_ms != INT64_MAX)
        (void)look_again_at(worker, next_ms, now_ms);
}
