/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_end.c - one entry for each server that is gone, and a timer while there is any.
 */
#include "daemon/server_end.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "worker/mailbox.h"
#include "worker/worker.h"

#define TICK_MS 50

/* Sessions ended at most in one tick: 50,000 a second. */
#define ENDS_PER_TICK 2500

struct ending {
    struct ending *next;
    struct pool *pool;
    struct server *server; /* counted as one of its users, so that it stays */
    enum server_gone how;
    bool is_told; /* in the log */
    int64_t due_ms;
};

struct server_ends {
    struct worker_shared *shared;
    struct event *timer;
    struct ending *first;
    int64_t drain_timeout_ms;
};

/* A server that is chosen again keeps its sessions. One that an operator drains meanwhile does not:
   it is as dead as before. */
static bool is_gone(const struct server *server)
{
    return atomic_load_explicit(&server->is_removed, memory_order_relaxed) ||
           atomic_load_explicit(&server->check, memory_order_relaxed) == SERVER_CHECK_DOWN;
}

/* Nobody is on it, and nobody comes any more: neither who has chosen it by its checks of before,
   nor who chooses from members of before. */
static bool is_empty(const struct pool *pool, struct server *server)
{
    if (atomic_load_explicit(&server->is_removed, memory_order_relaxed) &&
        pool_may_choose(pool, server))
        return false;
    return server_active_now(server) == 0;
}

static bool is_over(const struct ending *ending)
{
    return !is_gone(ending->server) || is_empty(ending->pool, ending->server);
}

/* Tells the workers to end up to `count` sessions, each its share. Returns how many there may be.
 */
static int post_ends(struct server_ends *ends, const struct server *server, int count)
{
    struct worker_shared *shared = ends->shared;
    int active = atomic_load_explicit(&server->active, memory_order_relaxed);
    int asked = active < count ? active : count;
    int workers = (int)shared->worker_count;
    const struct message message = {.kind = MESSAGE_SERVER_END,
                                    .fd = -1,
                                    .id = server->serial,
                                    .count = (asked + workers - 1) / workers};

    if (asked == 0)
        return 0;
    for (int i = 0; i < workers; i++) {
        /* Without memory the next tick asks again. */
        if (worker_sessions(shared->workers[i]) > 0)
            (void)!mailbox_post(worker_mailbox(shared->workers[i]), &message);
    }
    return asked;
}

static void ending_free(struct ending *ending)
{
    atomic_fetch_sub_explicit(&ending->server->users, 1, memory_order_release);
    free(ending);
}

/* The next tick, which looks at all endings, comes by then. */
static void start_timer(struct server_ends *ends, int64_t delay_ms)
{
    const struct timeval delay = {.tv_usec = delay_ms * 1000};

    if (ends->first != NULL && (delay_ms == 0 || !evtimer_pending(ends->timer, NULL)))
        event_add(ends->timer, &delay);
}

static void tell_once(struct ending *ending)
{
    int active = atomic_load_explicit(&ending->server->active, memory_order_relaxed);
    struct log_event event;

    if (ending->is_told || active == 0)
        return;
    ending->is_told = true;
    log_event_begin(&event, LOG_WARN, "server_sessions_end");
    log_event_string(&event, "pool", ending->pool->name);
    log_event_string(&event, "server", ending->server->name);
    log_event_string(&event, "how", ending->how == SERVER_GONE_RESET ? "reset" : "drain");
    log_event_integer(&event, "sessions", active);
    log_event_post(&event);
}

static void on_tick(evutil_socket_t fd, short events, void *argument)
{
    struct server_ends *ends = argument;
    struct ending **link = &ends->first;
    int64_t now_ms = clock_now_ms();
    int left = ENDS_PER_TICK;

    (void)fd;
    (void)events;
    while (*link != NULL) {
        struct ending *ending = *link;

        if (is_over(ending)) {
            *link = ending->next;
            ending_free(ending);
            continue;
        }
        tell_once(ending);
        if (now_ms >= ending->due_ms && left > 0)
            left -= post_ends(ends, ending->server, left);
        link = &ending->next;
    }
    start_timer(ends, TICK_MS);
}

struct server_ends *server_ends_open(struct event_base *base, struct worker_shared *shared,
                                     int64_t drain_timeout_ms)
{
    struct server_ends *ends = calloc(1, sizeof(*ends));

    if (ends == NULL)
        return NULL;
    ends->shared = shared;
    ends->drain_timeout_ms = drain_timeout_ms;
    ends->timer = evtimer_new(base, on_tick, ends);
    if (ends->timer == NULL) {
        free(ends);
        return NULL;
    }
    return ends;
}

void server_ends_close(struct server_ends *ends)
{
    if (ends == NULL)
        return;
    while (ends->first != NULL) {
        struct ending *ending = ends->first;

        ends->first = ending->next;
        ending_free(ending);
    }
    event_free(ends->timer);
    free(ends);
}

static struct ending *find(struct server_ends *ends, const struct server *server)
{
    for (struct ending *ending = ends->first; ending != NULL; ending = ending->next) {
        if (ending->server == server)
            return ending;
    }
    return NULL;
}

void server_end_begin(struct server_ends *ends, struct pool *pool, struct server *server,
                      enum server_gone how)
{
    int64_t due_ms = clock_now_ms();
    struct ending *ending;

    if (how == SERVER_GONE_DRAIN)
        due_ms += ends->drain_timeout_ms;
    if (how == SERVER_GONE_KEEP || (how == SERVER_GONE_DRAIN && ends->drain_timeout_ms == 0) ||
        is_empty(pool, server))
        return;
    ending = find(ends, server);
    if (ending == NULL) {
        ending = calloc(1, sizeof(*ending));
        if (ending == NULL) {
            log_message(LOG_ERROR, "server_sessions_stay",
                        "out of memory: the sessions of server %s/%s go on", pool->name,
                        server->name);
            return;
        }
        *ending = (struct ending){
            .next = ends->first, .pool = pool, .server = server, .how = how, .due_ms = due_ms};
        ends->first = ending;
        atomic_fetch_add_explicit(&server->users, 1, memory_order_relaxed);
        tell_once(ending);
    } else if (due_ms < ending->due_ms) {
        ending->due_ms = due_ms;
        ending->how = how;
    }
    /* Never here: of many that go at once each would look at all. */
    start_timer(ends, how == SERVER_GONE_RESET ? 0 : TICK_MS);
}
