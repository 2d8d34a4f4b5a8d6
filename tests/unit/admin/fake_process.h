/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_process.h - a process for the tests of the API: two listeners, two pools, two workers that
 * are threads answering their mailboxes with sessions the test has put there.
 *
 * The functions of worker/worker.h that the API calls are defined here instead.
 */
#ifndef CULVERT_TESTS_ADMIN_FAKE_PROCESS_H
#define CULVERT_TESTS_ADMIN_FAKE_PROCESS_H

#include <event2/event.h>
#include <event2/http.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/clock.h"
#include "pool/pool.h"
#include "config/snapshot.h"
#include "relay/relay_counters.h"
#include "relay/session_record.h"
#include "worker/mailbox.h"
#include "worker/sessions_query.h"
#include "worker/worker.h"
#include "admin/exchange.h"
#include "admin/http_api.h"

#define FAKE_ROWS 8

struct worker {
    unsigned number;
    struct relay_counters counters;
    struct worker_gauges gauges;
    struct event_base *base;
    struct mailbox mailbox;
    pthread_t thread;
    struct session_record rows[FAKE_ROWS];
    unsigned row_count;
    bool is_mute; /* takes queries and never answers */
    _Atomic uint64_t killed;
    struct sessions_query *unanswered;
};

struct fake_process {
    struct snapshot snapshot;
    struct listener_config listeners[2];
    struct pool pools[2];
    struct server servers[3]; /* two of the first pool, one of the second */
    struct server *slots[3];
    struct server_counters server_counters[3][2];
    struct tally tallies[3];
    struct worker workers[2];
    struct worker *worker_pointers[2];
    struct worker_shared shared;
    struct bound_addr bound[3];
    struct admin_view view;
};

struct mailbox *worker_mailbox(struct worker *worker)
{
    return &worker->mailbox;
}

const struct relay_counters *worker_counters(const struct worker *worker)
{
    return &worker->counters;
}

int worker_sessions(const struct worker *worker)
{
    return (int)worker->row_count;
}

void worker_read_gauges(const struct worker *worker, struct worker_gauges *gauges)
{
    *gauges = worker->gauges;
}

static bool fake_name_matches(const char *wanted, const char *name)
{
    return wanted[0] == '\0' || strcmp(wanted, name) == 0;
}

/* What a worker does for one of its sessions (worker/sessions_scan.c). */
static void fake_add(struct sessions_query *query, unsigned number,
                     const struct session_record *row)
{
    const struct sessions_filter *filter = &query->filter;
    struct sessions_part *part = &query->parts[number];

    if ((filter->id != 0 && filter->id != row->id) ||
        (filter->phase >= 0 && filter->phase != (int)row->phase) ||
        !fake_name_matches(filter->listener, row->listener) ||
        !fake_name_matches(filter->pool, row->pool) ||
        !fake_name_matches(filter->server, row->server))
        return;
    part->total++;
    if (part->count < query->limit)
        part->rows[part->count++] = *row;
}

static void fake_receive(void *argument, struct message *message)
{
    struct worker *worker = argument;

    switch (message->kind) {
    case MESSAGE_SESSIONS:
        if (worker->is_mute) {
            worker->unanswered = message->query;
            break;
        }
        for (unsigned i = 0; i < worker->row_count; i++)
            fake_add(message->query, worker->number, &worker->rows[i]);
        sessions_query_finish(message->query, worker->number);
        break;
    case MESSAGE_KILL:
        atomic_store(&worker->killed, message->id);
        break;
    case MESSAGE_STOP:
        event_base_loopbreak(worker->base);
        break;
    case MESSAGE_MEMBERS:
        pool_members_leave(message->members);
        break;
    case MESSAGE_SESSION:
    case MESSAGE_DRAIN:
    case MESSAGE_CUT:
    case MESSAGE_TLS:
    case MESSAGE_NAMES:
    case MESSAGE_CALLS:
    case MESSAGE_SERVER_END:
        abort();
    }
}

static void *fake_run(void *argument)
{
    struct worker *worker = argument;

    event_base_loop(worker->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

static uint64_t fake_log_dropped(void *argument)
{
    (void)argument;
    return 17;
}

static void fake_server(struct fake_process *process, unsigned index, const char *name,
                        unsigned position, uint16_t port)
{
    struct server *server = &process->servers[index];

    process->slots[index] = server;
    server->counters = process->server_counters[index];
    server->shard_count = 2;
    server->name = strdup(name);
    server->addr = (struct addr){.family = AF_INET, .port = port};
    server->addr.v4.s_addr = htonl(INADDR_LOOPBACK);
    server->weight = 1;
    server->position = position;
}

static void fake_pool(struct pool *pool, const char *name, unsigned index, struct server **servers,
                      unsigned count)
{
    pool->name = strdup(name);
    pool->index = index;
    pool->servers = servers;
    pool->server_count = count;
}

static void fake_listener(struct fake_process *process, unsigned index, const char *name,
                          uint16_t port)
{
    struct listener_config *listener = &process->listeners[index];

    listener->name = strdup(name);
    listener->index = index;
    listener->max_connections = 100;
    process->bound[index].listener_index = index;
    process->bound[index].addr = (struct addr){.family = AF_INET, .port = port};
    process->bound[index].addr.v4.s_addr = htonl(INADDR_LOOPBACK);
}

/* A zeroed `process` becomes listeners web (two addresses) and db, pools app (a1, a2) and pg (p1),
   and tallies web/none, web/app, db/pg. Workers have their counters, but no thread yet. */
static inline void fake_process_init(struct fake_process *process)
{
    struct snapshot *snapshot = &process->snapshot;

    memset(process, 0, sizeof(*process));
    fake_listener(process, 0, "web", 8080);
    fake_listener(process, 1, "db", 5432);
    process->bound[2] = process->bound[1];
    process->bound[1] = process->bound[0];
    process->bound[1].addr.port = 8081;
    fake_server(process, 0, "a1", 0, 81);
    fake_server(process, 1, "a2", 1, 82);
    fake_server(process, 2, "p1", 0, 83);
    fake_pool(&process->pools[0], "app", 0, &process->slots[0], 2);
    fake_pool(&process->pools[1], "pg", 1, &process->slots[2], 1);
    process->tallies[0] = (struct tally){0, -1};
    process->tallies[1] = (struct tally){0, 0};
    process->tallies[2] = (struct tally){1, 1};
    process->listeners[0].tally_count = 2;
    process->listeners[1].first_tally = 2;
    process->listeners[1].tally_count = 1;

    snapshot->process.name = strdup("edge-1");
    snapshot->process.max_sessions_listed = 5;
    snapshot->process.admin_socket_mode = 0600;
    snapshot->process.admin_socket_group = (gid_t)-1;
    snapshot->source = strdup("culvert.ini");
    snapshot->listeners = process->listeners;
    snapshot->listener_count = 2;
    snapshot->pools = process->pools;
    snapshot->pool_count = 2;
    snapshot->tallies = process->tallies;
    snapshot->tally_count = 3;

    for (unsigned i = 0; i < 2; i++) {
        struct worker *worker = &process->workers[i];

        worker->number = i;
        worker->gauges.loop_beat_ms = clock_now_ms();
        process->worker_pointers[i] = worker;
        if (!relay_counters_init(&worker->counters, snapshot))
            abort();
    }
    process->shared.workers = process->worker_pointers;
    process->shared.worker_count = 2;
    process->shared.max_connections = 9456;
    process->shared.buffers.limit_bytes = 1 << 20;
    process->view = (struct admin_view){
        .snapshot = snapshot,
        .shared = &process->shared,
        .bound = process->bound,
        .bound_count = 3,
        .version = "9.8.7",
        .started_wall_us = 1700000000000000,
        .started_ms = clock_now_ms() - 5000,
        .is_ready = true,
        .splice = "yes",
        .limit_bound_by = "open_files",
        .open_files = 20000,
        .log_dropped = fake_log_dropped,
    };
}

/* Adds a live session to a worker; before fake_process_start(). */
static inline void fake_session(struct fake_process *process, unsigned worker_number, uint64_t id,
                                const char *listener, const char *pool, const char *server)
{
    struct worker *worker = &process->workers[worker_number];
    struct session_record *row = &worker->rows[worker->row_count++];

    row->id = id;
    snprintf(row->listener, sizeof(row->listener), "%s", listener);
    snprintf(row->pool, sizeof(row->pool), "%s", pool);
    snprintf(row->server, sizeof(row->server), "%s", server);
    snprintf(row->client, sizeof(row->client), "192.0.2.1:%u", (unsigned)id);
    row->phase = PHASE_RELAY;
    row->started_wall_us = 1700000000000000 + (int64_t)id * 1000;
    row->duration_us = 1500000;
    row->connect_us = 400;
    row->first_byte_us = -1;
    row->upload_bytes = 10 * id;
}

static inline void fake_process_start(struct fake_process *process)
{
    for (unsigned i = 0; i < 2; i++) {
        struct worker *worker = &process->workers[i];

        worker->base = event_base_new();
        if (worker->base == NULL ||
            !mailbox_open(&worker->mailbox, worker->base, fake_receive, worker) ||
            pthread_create(&worker->thread, NULL, fake_run, worker) != 0)
            abort();
    }
}

/* Stops the threads that were started, and frees everything. */
static inline void fake_process_end(struct fake_process *process)
{
    for (unsigned i = 0; i < 2; i++) {
        struct worker *worker = &process->workers[i];

        if (worker->base != NULL) {
            const struct message stop = {.kind = MESSAGE_STOP, .fd = -1};

            if (!mailbox_post(&worker->mailbox, &stop))
                abort();
            pthread_join(worker->thread, NULL);
            mailbox_close(&worker->mailbox);
            event_base_free(worker->base);
        }
        if (worker->unanswered != NULL)
            sessions_query_unref(worker->unanswered);
        relay_counters_release(&worker->counters);
        free(process->listeners[i].name);
        free(process->pools[i].name);
    }
    for (unsigned i = 0; i < 3; i++)
        free(process->servers[i].name);
    free(process->snapshot.process.name);
    free(process->snapshot.source);
}

/* Asks a handler directly. The query is text such as "limit=3"; the body is the caller's to free.
 */
static inline char *fake_ask(struct fake_process *process,
                             void (*handle)(const struct question *, struct answer *),
                             const char *name, const char *query_text, int *status)
{
    struct evkeyvalq query;
    const struct question question = {
        .view = &process->view, .name = name, .accept = "", .query = &query};
    struct answer answer = {.body = evbuffer_new()};
    size_t length;
    char *body;

    TAILQ_INIT(&query);
    if (query_text[0] != '\0' && evhttp_parse_query_str(query_text, &query) == -1)
        abort();
    handle(&question, &answer);
    evhttp_clear_headers(&query);
    length = evbuffer_get_length(answer.body);
    body = calloc(1, length + 1);
    if (body == NULL || evbuffer_remove(answer.body, body, length) != (int)length)
        abort();
    evbuffer_free(answer.body);
    *status = answer.status;
    return body;
}

/* The same as JSON; the reference is the caller's. */
static inline json_t *fake_ask_json(struct fake_process *process,
                                    void (*handle)(const struct question *, struct answer *),
                                    const char *name, const char *query_text, int *status)
{
    char *body = fake_ask(process, handle, name, query_text, status);
    json_t *json = json_loads(body, 0, NULL);

    free(body);
    if (json == NULL)
        abort();
    return json;
}

#endif
