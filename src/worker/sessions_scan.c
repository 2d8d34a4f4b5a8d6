/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions_scan.c - answering a question about live sessions without holding up the others.
 */
#include <string.h>

#include "relay/session.h"
#include "worker/worker_internal.h"

/* Sessions looked at per loop turn. */
#define SESSIONS_PER_TURN 256

static bool name_matches(const char *wanted, const char *name)
{
    return wanted[0] == '\0' || (name != NULL && strcmp(wanted, name) == 0);
}

static bool session_matches(const struct session *session, const struct sessions_filter *filter)
{
    return (filter->id == 0 || filter->id == session->id) &&
           (filter->phase == -1 || filter->phase == (int)session->phase) &&
           name_matches(filter->listener, session->listener->name) &&
           name_matches(filter->pool, session->pool != NULL ? session->pool->name : NULL) &&
           name_matches(filter->server, session->server != NULL ? session->server->name : NULL) &&
           name_matches(filter->sni, session_sni(session));
}

/* Looks at a turn's worth of sessions behind the cursor. True when the last one was seen. */
static bool scan_turn(struct worker *worker)
{
    struct sessions_query *query = worker->scan.query;
    struct sessions_part *part = &query->parts[worker->number];
    struct list_link *end = &worker->resources.sessions.head;
    struct list_link *link = worker->scan.cursor.next;
    bool is_finished;

    for (int i = 0; i < SESSIONS_PER_TURN && link != end; i++, link = link->next) {
        const struct session *session = CONTAINER_OF(link, struct session, link);

        if (!session_matches(session, &query->filter))
            continue;
        part->total++;
        if (part->count < query->limit)
            session_describe(session, &part->rows[part->count++]);
    }
    is_finished = link == end;
    list_remove(&worker->scan.cursor);
    if (!is_finished)
        list_insert_before(link, &worker->scan.cursor);
    return is_finished;
}

static void on_turn(evutil_socket_t fd, short what, void *argument)
{
    const struct timeval no_delay = {0, 0};
    struct worker *worker = argument;

    (void)fd;
    (void)what;
    if (!scan_turn(worker)) {
        event_add(worker->scan.event, &no_delay);
        return;
    }
    sessions_query_finish(worker->scan.query, worker->number);
    worker->scan.query = NULL; /* the reference went with it */
    sessions_scan_stop(worker);
}

void sessions_scan_start(struct worker *worker, struct sessions_query *query)
{
    sessions_scan_stop(worker);
    if (worker->scan.event == NULL)
        worker->scan.event = evtimer_new(worker->base, on_turn, worker);
    if (worker->scan.event == NULL) {
        sessions_query_unref(query);
        return;
    }
    worker->scan.query = query;
    list_insert_before(worker->resources.sessions.head.next, &worker->scan.cursor);
    on_turn(-1, 0, worker);
}

void sessions_scan_stop(struct worker *worker)
{
    list_remove(&worker->scan.cursor);
    sessions_query_unref(worker->scan.query);
    worker->scan.query = NULL;
    if (worker->scan.event != NULL)
        event_free(worker->scan.event);
    worker->scan.event = NULL;
}
