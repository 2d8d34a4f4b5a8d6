/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool_control.c - finding what a request names, checking all of it, then changing it.
 */
#include "admin/pool_control.h"

#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "pool/pool.h"
#include "pool/pool_queue.h"
#include "pool/server_change.h"
#include "discovery/pool_update.h"
#include "worker/publish.h"
#include "admin/http_api.h"

#define WEIGHT_MAX 256

/* More than any name, each byte escaped: what is longer names nothing. */
#define PART_BYTES (3 * DISCOVERED_NAME_BYTES + 1)

/* A path's first part, decoded, and where the next one begins ("" behind the last). False when it
   is too long. */
static bool take_part(const char **path, char *part)
{
    size_t length = strcspn(*path, "/");
    char encoded[PART_BYTES];
    char *decoded;
    bool fits;

    if (length >= sizeof(encoded))
        return false;
    memcpy(encoded, *path, length);
    encoded[length] = '\0';
    *path += length;
    if (**path == '/')
        (*path)++;
    decoded = evhttp_uridecode(encoded, 0, NULL);
    fits = decoded != NULL && strlen(decoded) < PART_BYTES;
    if (fits)
        strcpy(part, decoded);
    free(decoded);
    return fits;
}

static struct pool *find_pool(const struct snapshot *snapshot, const char *name,
                              struct answer *answer)
{
    struct nearest nearest = {.word = name};

    for (unsigned i = 0; i < snapshot->pool_count; i++) {
        if (strcmp(snapshot->pools[i].name, name) == 0)
            return &snapshot->pools[i];
        nearest_consider(&nearest, snapshot->pools[i].name);
    }
    answer_error(answer, 404, nearest.best, "pool '%s' is not defined", name);
    return NULL;
}

static struct server *find_server(const struct pool *pool, const char *name, struct answer *answer)
{
    const struct pool_members *members = atomic_load_explicit(&pool->members, memory_order_acquire);
    struct nearest nearest = {.word = name};

    for (unsigned i = 0; i < members->server_count; i++) {
        if (strcmp(members->servers[i]->name, name) == 0)
            return members->servers[i];
        nearest_consider(&nearest, members->servers[i]->name);
    }
    answer_error(answer, 404, nearest.best, "pool '%s' has no server '%s'", pool->name, name);
    return NULL;
}

/* ---- pause ------------------------------------------------------------------------------------
 */

static void log_pause(const struct pool *pool, const char *event_name)
{
    struct log_event event;

    log_event_begin(&event, LOG_INFO, event_name);
    log_event_string(&event, "pool", pool->name);
    log_event_integer(&event, "waiting", pool_queue_length(pool));
    log_event_integer(&event, "sessions", pool_sessions(pool));
    log_event_post(&event);
}

static void set_paused(struct pool *pool, bool is_paused, struct answer *answer)
{
    if (is_paused && pool->options.queue_size == 0) {
        answer_error(answer, 409, NULL,
                     "pool '%s' has no queue (queue_size = 0): its clients would be refused",
                     pool->name);
        return;
    }
    if (is_paused != pool_is_paused(pool)) {
        log_pause(pool, is_paused ? "pool_paused" : "pool_resumed");
        if (is_paused)
            pool_pause(pool);
        else
            pool_resume(pool);
    }
    answer_json(answer, 200,
                json_pack("{s:s, s:b, s:I, s:I}", "pool", pool->name, "paused", is_paused,
                          "waiting", (json_int_t)pool_queue_length(pool), "sessions",
                          (json_int_t)pool_sessions(pool)));
}

/* ---- servers ----------------------------------------------------------------------------------
 */

/* What a request wants of a server. */
struct wish {
    bool has_admin;
    enum server_admin admin;
    int weight; /* 0: as it is */
};

static bool read_state(const json_t *value, struct wish *wish, struct answer *answer)
{
    static const struct {
        const char *word;
        enum server_admin admin;
    } states[] = {
        {"up", SERVER_ADMIN_UP}, {"drain", SERVER_ADMIN_DRAIN}, {"maint", SERVER_ADMIN_MAINT}};
    struct nearest nearest = {.word = json_string_value(value)};

    if (nearest.word == NULL) {
        answer_error(answer, 400, NULL, "'state' is up, drain or maint");
        return false;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
        if (strcmp(states[i].word, nearest.word) == 0) {
            wish->has_admin = true;
            wish->admin = states[i].admin;
            return true;
        }
        nearest_consider(&nearest, states[i].word);
    }
    answer_error(answer, 400, nearest.best, "'%s' is no state: up, drain or maint", nearest.word);
    return false;
}

static bool read_weight(const json_t *value, struct wish *wish, struct answer *answer)
{
    json_int_t weight = json_integer_value(value);

    if (!json_is_integer(value) || weight < 1 || weight > WEIGHT_MAX) {
        answer_error(answer, 400, NULL, "'weight' is a number from 1 to %d", WEIGHT_MAX);
        return false;
    }
    wish->weight = (int)weight;
    return true;
}

static bool read_members(const json_t *json, struct wish *wish, struct answer *answer)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)json, key, value)
    {
        struct nearest nearest = {.word = key};

        if (strcmp(key, "state") == 0 && read_state(value, wish, answer))
            continue;
        if (strcmp(key, "weight") == 0 && read_weight(value, wish, answer))
            continue;
        if (strcmp(key, "state") == 0 || strcmp(key, "weight") == 0)
            return false;
        nearest_consider(&nearest, "state");
        nearest_consider(&nearest, "weight");
        answer_error(answer, 400, nearest.best,
                     "a server has no '%s' to set, only its state and weight", key);
        return false;
    }
    if (wish->has_admin || wish->weight != 0)
        return true;
    answer_error(answer, 400, NULL, "nothing to set: give 'state', 'weight' or both");
    return false;
}

static bool read_wish(const struct question *question, struct wish *wish, struct answer *answer)
{
    json_error_t error;
    json_t *json =
        json_loadb(question->body != NULL ? question->body : "", question->body_length, 0, &error);
    bool is_read = false;

    if (json_is_object(json))
        is_read = read_members(json, wish, answer);
    else
        answer_error(answer, 400, NULL, "the body is no JSON object such as {\"state\":\"drain\"}");
    json_decref(json);
    return is_read;
}

/* A new weight is a new layout of the pool's turns. False without memory; nothing has changed. */
static bool set_weight(const struct question *question, struct pool *pool, struct server *server,
                       int weight)
{
    int before = atomic_exchange_explicit(&server->weight, weight, memory_order_relaxed);
    struct log_event event;

    if (before == weight)
        return true;
    if (!worker_publish_members(question->view->shared, pool)) {
        atomic_store_explicit(&server->weight, before, memory_order_relaxed);
        return false;
    }
    log_event_begin(&event, LOG_INFO, "server_weight");
    log_event_string(&event, "pool", pool->name);
    log_event_string(&event, "server", server->name);
    log_event_integer(&event, "from", before);
    log_event_integer(&event, "to", weight);
    log_event_string(&event, "cause", "admin");
    log_event_post(&event);
    return true;
}

static void set_admin(struct pool *pool, struct server *server, enum server_admin admin)
{
    enum server_state from = server_state_of(server);
    int64_t now_ms = clock_now_ms();

    if (atomic_exchange_explicit(&server->admin, admin, memory_order_relaxed) == (int)admin)
        return;
    if (admin == SERVER_ADMIN_UP)
        atomic_store_explicit(&server->up_since_ms, now_ms, memory_order_relaxed);
    server_change_note(pool, server, from, SERVER_CAUSE_ADMIN, "", now_ms);
}

static void set_server(const struct question *question, struct pool *pool, struct server *server,
                       struct answer *answer)
{
    struct wish wish = {.weight = 0};
    char name[2 * PART_BYTES];

    if (!read_wish(question, &wish, answer))
        return;
    if (wish.weight != 0 && !set_weight(question, pool, server, wish.weight)) {
        answer_error(answer, 503, NULL, "out of memory");
        return;
    }
    if (wish.has_admin)
        set_admin(pool, server, wish.admin);
    snprintf(name, sizeof(name), "%s/%s", pool->name, server->name);
    answer_json(answer, 200,
                json_pack("{s:s, s:s, s:i, s:i}", "server", name, "state",
                          server_state_word(server_state_of(server)), "weight",
                          atomic_load_explicit(&server->weight, memory_order_relaxed), "sessions",
                          server_active_now(server)));
}

void pool_control_handle(const struct question *question, struct answer *answer)
{
    const char *rest = question->name;
    char pool_name[PART_BYTES], word[PART_BYTES], server_name[PART_BYTES];
    struct pool *pool;
    struct server *server;

    if (!take_part(&rest, pool_name) || !take_part(&rest, word) || !take_part(&rest, server_name) ||
        rest[0] != '\0') {
        answer_error(answer, 404, NULL, "nothing is at '/api/v1/pools/%s'", question->name);
        return;
    }
    pool = find_pool(question->view->snapshot, pool_name, answer);
    if (pool == NULL)
        return;
    if (server_name[0] == '\0' && (strcmp(word, "pause") == 0 || strcmp(word, "resume") == 0)) {
        set_paused(pool, strcmp(word, "pause") == 0, answer);
        return;
    }
    if (strcmp(word, "servers") != 0 || server_name[0] == '\0') {
        struct nearest nearest = {.word = word};

        nearest_consider(&nearest, "pause");
        nearest_consider(&nearest, "resume");
        if (strcmp(word, "servers") != 0)
            nearest_consider(&nearest, "servers");
        answer_error(answer, 404, nearest.best, "a pool has no '%s': pause, resume, servers/NAME",
                     word);
        return;
    }
    server = find_server(pool, server_name, answer);
    if (server != NULL)
        set_server(question, pool, server, answer);
}
