/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - a worker's thread, its messages, and the end of its sessions.
 */
#include "worker/worker.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "relay/session.h"
#include "relay/session_wait.h"
#include "worker/held.h"
#include "worker/worker_internal.h"

/* How often the loop shows that it turns; /healthz wants one in five seconds. Queues are looked at
   as often. */
#define BEAT_S 2

static struct session *session_of(const struct worker *worker, struct list_link *link)
{
    return link == &worker->scan.cursor ? NULL : CONTAINER_OF(link, struct session, link);
}

/* Which sessions are to end, and why. */
struct cut {
    enum close_reason reason;
    uint64_t server; /* serial of the only one meant; 0: all */
};

static const struct cut drained = {.reason = CLOSE_DRAINED};

/* Of a server, those that it serves: who still connects may yet find another one. */
static bool is_meant(const struct session *session, const struct cut *cut)
{
    return cut->server == 0 || (session->state >= SESSION_RELAY && session->server != NULL &&
                                session->server->serial == cut->server);
}

/* Ends up to `count` sessions: all, or only those that are idle. Returns how many. */
static int cut_sessions(struct worker *worker, const struct cut *which, int count, bool only_idle)
{
    struct list *sessions = &worker->resources.sessions;
    struct list_link *link = sessions->head.next;
    int64_t now_ms = clock_now_ms();
    int cut = 0;

    while (link != &sessions->head && cut < count) {
        struct session *session = session_of(worker, link);

        link = link->next;
        if (session == NULL || !is_meant(session, which) ||
            (only_idle && !session_is_idle(session, now_ms)))
            continue;
        session_end(session, which->reason);
        cut++;
    }
    return cut;
}

static void kill_session(struct worker *worker, uint64_t id)
{
    struct list *sessions = &worker->resources.sessions;

    for (struct list_link *link = sessions->head.next; link != &sessions->head; link = link->next) {
        struct session *session = session_of(worker, link);

        if (session != NULL && session->id == id) {
            session_end(session, CLOSE_KILLED);
            return;
        }
    }
}

static void cut_idle_first(struct worker *worker, const struct cut *which, int count)
{
    int left = count - cut_sessions(worker, which, count, true);

    cut_sessions(worker, which, left, false);
}

static void close_listeners(struct worker *worker)
{
    for (unsigned i = 0; i < worker->listener_count; i++)
        listener_close(&worker->listeners[i]);
    held_end_all(worker);
    /* Release: the places of those that it has taken until now are seen with it. */
    atomic_store_explicit(&worker->has_stopped_accepting, true, memory_order_release);
}

static void receive(void *argument, struct message *message)
{
    struct worker *worker = argument;

    switch (message->kind) {
    case MESSAGE_SESSION:
        listener_receive(worker, message);
        return;
    case MESSAGE_DRAIN:
        close_listeners(worker);
        return;
    case MESSAGE_CUT:
        cut_idle_first(worker, &drained, message->count);
        return;
    case MESSAGE_SERVER_END: {
        const struct cut server_down = {.reason = CLOSE_SERVER_DOWN, .server = message->id};

        cut_idle_first(worker, &server_down, message->count);
        return;
    }
    case MESSAGE_CALLS:
        relay_answer_calls(&worker->resources);
        return;
    case MESSAGE_STOP:
        event_base_loopbreak(worker->base);
        return;
    case MESSAGE_SESSIONS:
        sessions_scan_start(worker, message->query);
        return;
    case MESSAGE_KILL:
        kill_session(worker, message->id);
        return;
    case MESSAGE_TLS:
        tls_profile_take(message->profile, worker->number, message->context);
        return;
    case MESSAGE_MEMBERS:
        pool_members_leave(message->members);
        return;
    case MESSAGE_NAMES:
        name_map_leave(message->names);
        return;
    }
}

/* A session in a queue of a pool was called. Any thread. */
static void wake_for_calls(struct pool_caller *caller)
{
    struct worker *worker = CONTAINER_OF(caller, struct worker, resources.caller);
    const struct message message = {.kind = MESSAGE_CALLS, .fd = -1};

    /* A worker that has closed its mailbox ends its sessions, and so gives their calls away. */
    (void)!mailbox_post(&worker->mailbox, &message);
}

static void on_resume(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    listener_resume_all(argument, false);
}

static void on_place(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    listener_resume_all(argument, true);
}

static void on_beat(evutil_socket_t fd, short what, void *argument)
{
    struct worker *worker = argument;

    (void)fd;
    (void)what;
    atomic_store_explicit(&worker->beat_ms, clock_now_ms(), memory_order_relaxed);
    for (unsigned i = 0; i < worker->snapshot->pool_count; i++) {
        struct pool *pool = &worker->snapshot->pools[i];

        if (pool_queue_length(pool) != 0)
            pool_queue_changed(pool);
    }
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;

    log_attach(worker->ring, worker->shared->log_wake_fd);
    on_beat(-1, 0, worker);
    event_base_loop(worker->base, EVLOOP_NO_EXIT_ON_EMPTY);

    /* MESSAGE_STOP. A connection that another worker handed over meanwhile is reset below, too. */
    close_listeners(worker);
    mailbox_close(&worker->mailbox);
    sessions_scan_stop(worker);
    cut_sessions(worker, &drained, INT_MAX, false);
    log_attach(NULL, -1);
    atomic_store(&worker->has_ended, true);
    return NULL;
}

static struct event_base *create_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config == NULL)
        return NULL;
    if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0 &&
        event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

/* Seeds the generator and the numbers of sessions, and reads the test hook. */
static void seed_resources(struct worker *worker)
{
    struct relay_resources *resources = &worker->resources;
    const char *flip = getenv("CULVERT_TEST_FLIP");
    uint64_t started_s = (uint64_t)(clock_wall_us() / 1000000);

    if (getrandom(&resources->random, sizeof(resources->random), GRND_NONBLOCK) !=
            sizeof(resources->random) ||
        resources->random == 0)
        resources->random = (uint64_t)clock_now_us() | 1;
    if (flip != NULL)
        resources->flip_seed = resources->random = strtoull(flip, NULL, 10) + 1;
    /* Unique in the process, and hardly ever the same after a restart: 8 bits for the worker, 28
       for the second of the start, 28 to count. */
    resources->next_id =
        (uint64_t)worker->number << 56 | (started_s & 0xfffffff) << 28 | UINT64_C(1);
    resources->sources = worker->shared->sources;
    resources->process_sessions = &worker->shared->sessions;
    resources->worker_sessions = &worker->sessions;
}

struct worker *worker_create(unsigned number, struct worker_shared *shared,
                             struct snapshot *snapshot, struct log_ring *ring, struct error *error)
{
    const struct timeval beat = {.tv_sec = BEAT_S};
    struct worker *worker = aligned_alloc(CACHE_LINE_BYTES, sizeof(*worker));

    if (worker == NULL)
        goto fail;
    memset(worker, 0, sizeof(*worker));
    worker->number = number;
    worker->shared = shared;
    worker->snapshot = snapshot_ref(snapshot);
    worker->ring = ring;
    worker->mailbox.wake_fd = -1;
    list_init(&worker->held);
    worker->base = create_base();
    if (worker->base == NULL ||
        !relay_resources_init(&worker->resources, worker->base, snapshot, &shared->buffers,
                              &shared->pipes) ||
        !mailbox_open(&worker->mailbox, worker->base, receive, worker))
        goto fail;
    worker->resources.worker = number;
    worker->resources.caller.wake = wake_for_calls;
    seed_resources(worker);
    worker->resume_event = evtimer_new(worker->base, on_resume, worker);
    worker->resources.place_event = evtimer_new(worker->base, on_place, worker);
    worker->beat_event = event_new(worker->base, -1, EV_PERSIST, on_beat, worker);
    if (worker->resume_event == NULL || worker->resources.place_event == NULL ||
        worker->beat_event == NULL || event_add(worker->beat_event, &beat) == -1)
        goto fail;
    return worker;

fail:
    worker_destroy(worker);
    error_set(error, EX_OSERR, "no memory or descriptors for worker %u", number);
    return NULL;
}

bool worker_add_listen(struct worker *worker, const struct worker_listen *listen)
{
    struct listener *listeners;

    assert(!worker->is_started);
    listeners = realloc(worker->listeners, (worker->listener_count + 1) * sizeof(*listeners));
    if (listeners == NULL)
        return false;
    worker->listeners = listeners;
    listeners[worker->listener_count++] = (struct listener){
        .worker = worker,
        .config = &worker->snapshot->listeners[listen->listener_index],
        .fd = listen->fd,
        .is_only_socket = listen->is_only_socket,
    };
    return true;
}

bool worker_start(struct worker *worker, int cpu, struct error *error)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    char name[16];
    int result;

    for (unsigned i = 0; i < worker->listener_count; i++) {
        if (!listener_open(&worker->listeners[i]))
            return error_set(error, EX_OSERR, "no memory for a listening socket of worker %u",
                             worker->number);
    }
    worker->resources.listening = worker->shared->listening;
    worker->resources.listening_count = worker->shared->listening_count;
    worker->resources.own_connects = worker->shared->own_connects;
    pthread_attr_init(&attributes);
    if (cpu >= 0) {
        cpu_set_t cpus;

        CPU_ZERO(&cpus);
        CPU_SET(cpu, &cpus);
        pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus);
    }
    /* Signals belong to the control thread; a new thread inherits the mask of its creator. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(&worker->thread, &attributes, worker_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (result != 0)
        return error_set(error, EX_OSERR, "cannot start worker %u: %s", worker->number,
                         strerror(result));
    worker->is_started = true;
    snprintf(name, sizeof(name), "culvert-%u", worker->number);
    pthread_setname_np(worker->thread, name);
    return true;
}

bool worker_has_ended(const struct worker *worker)
{
    return !worker->is_started || atomic_load(&worker->has_ended);
}

void worker_join(struct worker *worker)
{
    if (worker->is_started)
        pthread_join(worker->thread, NULL);
    worker->is_started = false;
}

void worker_destroy(struct worker *worker)
{
    if (worker == NULL)
        return;
    assert(!worker->is_started);
    for (unsigned i = 0; i < worker->listener_count; i++) {
        if (worker->listeners[i].event != NULL)
            event_free(worker->listeners[i].event);
        if (worker->listeners[i].fd != -1)
            close(worker->listeners[i].fd);
    }
    free(worker->listeners);
    if (worker->mailbox.wake_fd != -1) {
        /* It never ran; what others have handed over meanwhile is reset. */
        mailbox_close(&worker->mailbox);
        sessions_scan_stop(worker);
        cut_sessions(worker, &drained, INT_MAX, false);
    }
    if (worker->resume_event != NULL)
        event_free(worker->resume_event);
    if (worker->resources.place_event != NULL)
        event_free(worker->resources.place_event);
    if (worker->beat_event != NULL)
        event_free(worker->beat_event);
    relay_resources_release(&worker->resources);
    if (worker->base != NULL)
        event_base_free(worker->base);
    snapshot_unref(worker->snapshot);
    free(worker);
}

struct mailbox *worker_mailbox(struct worker *worker)
{
    return &worker->mailbox;
}

const struct relay_counters *worker_counters(const struct worker *worker)
{
    return &worker->resources.counters;
}

int worker_sessions(const struct worker *worker)
{
    return atomic_load_explicit(&worker->sessions, memory_order_relaxed);
}

bool worker_is_accepting(const struct worker *worker)
{
    return !atomic_load_explicit(&worker->has_stopped_accepting, memory_order_acquire);
}

void worker_read_gauges(const struct worker *worker, struct worker_gauges *gauges)
{
    const struct relay_resources *resources = &worker->resources;
    const struct accept_counters *accepts = &worker->accept_counters;

    *gauges = (struct worker_gauges){
        .pipes_lent = counter_get(&resources->pipes.lent),
        .pipes_idle = counter_get(&resources->pipes.idle),
        .pipes_denied = counter_get(&resources->pipes.denied),
        .buffer_bytes = counter_get(&resources->buffers.lent_bytes),
        .accept_errors = {counter_get(&accepts->emfile), counter_get(&accepts->enfile),
                          counter_get(&accepts->enobufs), counter_get(&accepts->enomem)},
        .accept_errors_other = counter_get(&accepts->other),
        .loop_beat_ms = atomic_load_explicit(&worker->beat_ms, memory_order_relaxed),
    };
}
