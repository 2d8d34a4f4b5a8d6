/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions_view.c - asking the workers, and wording what they say.
 */
#include "admin/sessions_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/text.h"
#include "pool/pool.h"
#include "relay/session_record.h"
#include "worker/mailbox.h"
#include "admin/http_api.h"

#define WAIT_MS 200

/* ---- the query of a request --------------------------------------------------------------- */

typedef const char *(*name_at)(const struct snapshot *snapshot, unsigned number);

static const char *listener_name_at(const struct snapshot *snapshot, unsigned number)
{
    return number < snapshot->listener_count ? snapshot->listeners[number].name : NULL;
}

static const char *pool_name_at(const struct snapshot *snapshot, unsigned number)
{
    return number < snapshot->pool_count ? snapshot->pools[number].name : NULL;
}

/* All servers of all pools, one pool after the other. */
static const char *server_name_at(const struct snapshot *snapshot, unsigned number)
{
    for (unsigned i = 0; i < snapshot->pool_count; i++) {
        const struct pool *pool = &snapshot->pools[i];

        for (unsigned slot = 0; slot < pool->server_count; slot++) {
            if (pool->servers[slot] != NULL && number-- == 0)
                return pool->servers[slot]->name;
        }
    }
    return NULL;
}

/* Takes a name over into the filter when one of the snapshot's is the same. */
static bool parse_name(const struct snapshot *snapshot, name_at at, const char *kind,
                       const char *value, char *into, struct answer *answer)
{
    struct nearest nearest = {.word = value};
    const char *name;

    for (unsigned i = 0; (name = at(snapshot, i)) != NULL; i++) {
        if (strcmp(name, value) == 0) {
            strncpy(into, value, SESSION_NAME_BYTES - 1);
            return true;
        }
        nearest_consider(&nearest, name);
    }
    answer_error(answer, 404, nearest.best, "%s '%.40s' is not defined", kind, value);
    return false;
}

static bool parse_phase(const char *value, int *phase, struct answer *answer)
{
    struct nearest nearest = {.word = value};

    for (int i = 0; i < PHASE_COUNT; i++) {
        if (strcmp(phase_word((enum phase)i), value) == 0) {
            *phase = i;
            return true;
        }
        nearest_consider(&nearest, phase_word((enum phase)i));
    }
    answer_error(answer, 400, nearest.best, "'%.40s' is not a phase", value);
    return false;
}

/* Any name: what clients ask for is in no configuration. */
static bool parse_sni(const char *value, char *into, struct answer *answer)
{
    size_t length = strlen(value);

    if (length == 0 || length >= SESSION_SNI_BYTES) {
        answer_error(answer, 400, NULL, "'%.40s' cannot be an sni", value);
        return false;
    }
    for (size_t i = 0; i <= length; i++)
        into[i] = text_lower(value[i]);
    return true;
}

static bool parse_limit(const char *value, size_t *limit, struct answer *answer)
{
    char *end;
    unsigned long number;

    errno = 0;
    number = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0) {
        answer_error(answer, 400, NULL, "limit must be a number, not '%.40s'", value);
        return false;
    }
    if (number < *limit)
        *limit = number;
    return true;
}

bool sessions_view_parse(const struct snapshot *snapshot, const struct evkeyvalq *query,
                         struct sessions_filter *filter, size_t *limit, struct answer *answer)
{
    const struct evkeyval *pair;

    memset(filter, 0, sizeof(*filter));
    filter->phase = -1;
    for (pair = query->tqh_first; pair != NULL; pair = pair->next.tqe_next) {
        const char *key = pair->key;
        const char *value = pair->value;
        bool is_good;

        if (strcmp(key, "listener") == 0) {
            is_good = parse_name(snapshot, listener_name_at, key, value, filter->listener, answer);
        } else if (strcmp(key, "pool") == 0) {
            is_good = parse_name(snapshot, pool_name_at, key, value, filter->pool, answer);
        } else if (strcmp(key, "server") == 0) {
            is_good = parse_name(snapshot, server_name_at, key, value, filter->server, answer);
        } else if (strcmp(key, "sni") == 0) {
            is_good = parse_sni(value, filter->sni, answer);
        } else if (strcmp(key, "phase") == 0) {
            is_good = parse_phase(value, &filter->phase, answer);
        } else if (strcmp(key, "limit") == 0) {
            is_good = parse_limit(value, limit, answer);
        } else {
            struct nearest nearest = {.word = key};

            nearest_consider(&nearest, "listener");
            nearest_consider(&nearest, "pool");
            nearest_consider(&nearest, "server");
            nearest_consider(&nearest, "sni");
            nearest_consider(&nearest, "phase");
            nearest_consider(&nearest, "limit");
            answer_error(answer, 400, nearest.best, "unknown parameter '%.40s'", key);
            is_good = false;
        }
        if (!is_good)
            return false;
    }
    return true;
}

/* ---- asking ------------------------------------------------------------------------------- */

struct sessions_query *sessions_view_ask(const struct worker_shared *shared,
                                         const struct sessions_filter *filter, size_t limit,
                                         bool *is_complete)
{
    struct sessions_query *query = sessions_query_create(filter, limit, shared->worker_count);
    bool is_finished;

    if (query == NULL)
        return NULL;
    for (unsigned i = 0; i < shared->worker_count; i++) {
        const struct message message = {.kind = MESSAGE_SESSIONS, .fd = -1, .query = query};

        sessions_query_ref(query);
        /* A closed mailbox is a worker that has stopped: nothing to report. */
        if (!mailbox_post(worker_mailbox(shared->workers[i]), &message))
            sessions_query_finish(query, i);
    }
    is_finished = sessions_query_wait(query, WAIT_MS);
    if (is_complete != NULL)
        *is_complete = is_finished;
    return query;
}

static bool is_part_finished(const struct sessions_part *part)
{
    return atomic_load_explicit(&part->is_finished, memory_order_acquire);
}

/* ---- wording ------------------------------------------------------------------------------ */

static json_t *make_row(const struct session_record *record)
{
    json_t *json = json_object();
    char id[24];

    json_object_set_new(json, "id", json_text(session_id_text(record->id, id)));
    json_object_set_new(json, "listener", json_text(record->listener));
    json_object_set_new(json, "route", json_text(record->route));
    json_object_set_new(json, "pool", json_text(record->pool));
    json_object_set_new(json, "server", json_text(record->server));
    json_object_set_new(json, "client", json_text(record->client));
    if (record->client_socket[0] != '\0')
        json_object_set_new(json, "client_socket", json_text(record->client_socket));
    json_object_set_new(json, "server_addr", json_text(record->server_addr));
    json_object_set_new(json, "sni", json_text(record->sni));
    json_object_set_new(json, "tls", json_text(record->tls));
    json_object_set_new(json, "server_tls", json_text(record->server_tls));
    json_object_set_new(json, "phase", json_text(phase_word(record->phase)));
    json_object_set_new(json, "first", json_text(first_word(record->first)));
    json_object_set_new(json, "started", json_time(record->started_wall_us));
    json_object_set_new(json, "duration_s", json_seconds(record->duration_us));
    json_object_set_new(json, "upload_bytes", json_count(record->upload_bytes));
    json_object_set_new(json, "download_bytes", json_count(record->download_bytes));
    json_object_set_new(json, "spliced_bytes", json_count(record->spliced_bytes));
    json_object_set_new(json, "path", json_text(path_text(record)));
    json_object_set_new(json, "retries", json_integer(record->retries));
    /* What is not known yet is left out. */
    if (record->connect_us >= 0)
        json_object_set_new(json, "connect_s", json_seconds(record->connect_us));
    if (record->first_byte_us >= 0)
        json_object_set_new(json, "first_byte_s", json_seconds(record->first_byte_us));
    if (record->rtt_us > 0)
        json_object_set_new(json, "rtt_s", json_seconds(record->rtt_us));
    return json;
}

static int compare_by_start(const void *left, const void *right)
{
    const struct session_record *a = *(const struct session_record *const *)left;
    const struct session_record *b = *(const struct session_record *const *)right;

    if (a->started_wall_us != b->started_wall_us)
        return a->started_wall_us < b->started_wall_us ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* The rows of all finished parts, the oldest session first. The array is the caller's to free; NULL
   without memory. */
static const struct session_record **sort_rows(const struct sessions_query *query, size_t limit,
                                               size_t *count, uint64_t *total)
{
    const struct session_record **rows = calloc(limit + 1, sizeof(struct session_record *));

    *count = 0;
    *total = 0;
    for (unsigned i = 0; rows != NULL && i < query->part_count; i++) {
        const struct sessions_part *part = &query->parts[i];

        if (!is_part_finished(part))
            continue;
        *total += part->total;
        for (size_t row = 0; row < part->count && *count < limit; row++)
            rows[(*count)++] = &part->rows[row];
    }
    if (rows != NULL)
        qsort(rows, *count, sizeof(struct session_record *), compare_by_start);
    return rows;
}

static void answer_list(const struct sessions_query *query, size_t limit, bool is_complete,
                        struct answer *answer)
{
    size_t count;
    uint64_t total;
    const struct session_record **rows = sort_rows(query, limit, &count, &total);
    bool is_whole = rows != NULL;

    answer->status = 200;
    answer->content_type = CONTENT_TYPE_JSON;
    evbuffer_add_printf(answer->body, "{\"sessions\":[");
    for (size_t i = 0; is_whole && i < count; i++) {
        evbuffer_add(answer->body, ",", i > 0);
        is_whole = answer_add_json(answer, make_row(rows[i]));
    }
    evbuffer_add_printf(answer->body, "],\"total\":%llu,\"truncated\":%s%s}\n",
                        (unsigned long long)total, total > count ? "true" : "false",
                        is_complete ? "" : ",\"incomplete\":true");
    if (!is_whole)
        answer_error(answer, 503, NULL, "out of memory");
    free(rows);
}

void sessions_view_handle_list(const struct question *question, struct answer *answer)
{
    const struct admin_view *view = question->view;
    struct sessions_filter filter;
    struct sessions_query *query;
    size_t limit = (size_t)view->snapshot->process.max_sessions_listed;
    bool is_complete;

    if (!sessions_view_parse(view->snapshot, question->query, &filter, &limit, answer))
        return;
    query = sessions_view_ask(view->shared, &filter, limit, &is_complete);
    if (query == NULL) {
        answer_error(answer, 503, NULL, "out of memory or descriptors");
        return;
    }
    answer_list(query, limit, is_complete, answer);
    sessions_query_unref(query);
}

/* Finds the session of the question's id and its worker; NULL with the answer set when there is
   none. The caller drops the reference to `*query`. */
static const struct session_record *find_session(const struct question *question,
                                                 struct sessions_query **query,
                                                 unsigned *worker_number, struct answer *answer)
{
    struct sessions_filter filter = {.phase = -1};
    bool is_complete;

    *query = NULL;
    if (!session_id_parse(question->name, &filter.id) || filter.id == 0) {
        answer_error(answer, 404, NULL, "'%.40s' is not a session's id", question->name);
        return NULL;
    }
    *query = sessions_view_ask(question->view->shared, &filter, 1, &is_complete);
    if (*query == NULL) {
        answer_error(answer, 503, NULL, "out of memory or descriptors");
        return NULL;
    }
    for (unsigned i = 0; i < (*query)->part_count; i++) {
        const struct sessions_part *part = &(*query)->parts[i];

        if (is_part_finished(part) && part->count > 0) {
            *worker_number = i;
            return &part->rows[0];
        }
    }
    if (is_complete)
        answer_error(answer, 404, NULL, "session '%.40s' does not exist (any more)",
                     question->name);
    else
        answer_error(answer, 503, NULL, "a worker did not answer in time");
    return NULL;
}

void sessions_view_handle_one(const struct question *question, struct answer *answer)
{
    struct sessions_query *query;
    unsigned worker_number;
    const struct session_record *record = find_session(question, &query, &worker_number, answer);

    if (record != NULL)
        answer_json(answer, 200, make_row(record));
    sessions_query_unref(query);
}

void sessions_view_handle_kill(const struct question *question, struct answer *answer)
{
    struct sessions_query *query;
    unsigned worker_number;
    const struct session_record *record = find_session(question, &query, &worker_number, answer);

    if (record != NULL) {
        const struct worker_shared *shared = question->view->shared;
        const struct message message = {.kind = MESSAGE_KILL, .fd = -1, .id = record->id};

        if (mailbox_post(worker_mailbox(shared->workers[worker_number]), &message))
            answer_json(answer, 200, json_pack("{s:i}", "killed", 1));
        else
            answer_error(answer, 503, NULL, "the worker has stopped or memory is short");
    }
    sessions_query_unref(query);
}
