/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c - one machine of a pool.
 */
#include "pool/server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/text.h"

const char *server_state_word(enum server_state state)
{
    static const char *const words[] = {"up", "down", "drain", "maint", "ejected", "trial"};

    static_assert(ARRAY_LENGTH(words) == SERVER_STATE_COUNT, "a word for each state");
    return words[state];
}

const char *connect_result_word(enum connect_result result)
{
    switch (result) {
    case CONNECT_OK:
        return "ok";
    case CONNECT_REFUSED:
        return "refused";
    case CONNECT_TIMED_OUT:
        return "timeout";
    case CONNECT_UNREACHABLE:
        return "unreachable";
    case CONNECT_RESET:
        return "reset";
    case CONNECT_TLS:
        return "tls";
    case CONNECT_PORTS_EXHAUSTED:
        return "ports_exhausted";
    case CONNECT_SOURCE_FAILED:
        return "source_failed";
    case CONNECT_RESULT_COUNT:
        break;
    }
    return "";
}

static char *copy_or_null(const char *text, bool *is_good)
{
    char *copy = text == NULL ? NULL : strdup(text);

    if (text != NULL && copy == NULL)
        *is_good = false;
    return copy;
}

static struct server_counters *make_shards(unsigned count)
{
    size_t bytes = count * sizeof(struct server_counters);
    struct server_counters *shards = aligned_alloc(CACHE_LINE_BYTES, bytes);

    if (shards != NULL)
        memset(shards, 0, bytes);
    return shards;
}

struct server *server_create(const struct server_options *options, unsigned workers)
{
    static _Atomic uint64_t last_serial;
    struct server *server = calloc(1, sizeof(*server));
    bool is_good = true;

    assert(workers >= 1 && options->weight >= 1);
    if (server == NULL)
        return NULL;
    server->serial = atomic_fetch_add_explicit(&last_serial, 1, memory_order_relaxed) + 1;
    server->name = copy_or_null(options->name, &is_good);
    server->tls_name = copy_or_null(options->tls_name, &is_good);
    server->addr = options->addr;
    if (options->addr.family == AF_UNIX) {
        server->path = copy_or_null(options->addr.path, &is_good);
        server->addr.path = server->path;
    }
    server->builtin = options->builtin;
    server->is_original = options->is_original;
    server->priority = options->priority;
    server->health_port = options->health_port;
    server->is_backup = options->is_backup;
    server->is_discovered = options->is_discovered;
    server->counters = make_shards(workers);
    server->shard_count = workers;
    atomic_init(&server->weight, options->weight);
    server->given_weight = options->weight;
    atomic_init(&server->max_connections, options->max_connections);
    atomic_init(&server->admin, options->admin);
    if (!is_good || server->counters == NULL) {
        server_free(server);
        return NULL;
    }
    return server;
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    free(server->name);
    free(server->tls_name);
    free(server->path);
    free(server->counters);
    free(server);
}

void server_counters_sum(const struct server *server, struct server_counters *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (unsigned i = 0; i < server->shard_count; i++) {
        const struct server_counters *shard = &server->counters[i];

        for (int result = 0; result < CONNECT_RESULT_COUNT; result++)
            counter_add(&sum->connects[result], counter_get(&shard->connects[result]));
        counter_add(&sum->ejections, counter_get(&shard->ejections));
        counter_add(&sum->returns, counter_get(&shard->returns));
    }
}

enum server_state server_state_of(const struct server *server)
{
    int admin = atomic_load_explicit(&server->admin, memory_order_relaxed);

    if (admin != SERVER_ADMIN_UP)
        return admin == SERVER_ADMIN_MAINT ? SERVER_STATE_MAINT : SERVER_STATE_DRAIN;
    if (!server_has_address(server) ||
        atomic_load_explicit(&server->is_removed, memory_order_relaxed) ||
        atomic_load_explicit(&server->check, memory_order_relaxed) == SERVER_CHECK_DOWN)
        return SERVER_STATE_DOWN;
    switch ((enum server_health)atomic_load_explicit(&server->health, memory_order_relaxed)) {
    case SERVER_UP:
        return SERVER_STATE_UP;
    case SERVER_EJECTED:
        return SERVER_STATE_EJECTED;
    case SERVER_TRIAL:
        return SERVER_STATE_TRIAL;
    }
    return SERVER_STATE_UP;
}

bool server_is_shown(const struct server *server)
{
    return server != NULL && (!atomic_load_explicit(&server->is_removed, memory_order_relaxed) ||
                              atomic_load_explicit(&server->active, memory_order_relaxed) > 0);
}

bool server_is_usable(const struct server *server)
{
    return atomic_load_explicit(&server->health, memory_order_relaxed) == SERVER_UP &&
           atomic_load_explicit(&server->check, memory_order_relaxed) == SERVER_CHECK_UP &&
           atomic_load_explicit(&server->admin, memory_order_relaxed) == SERVER_ADMIN_UP &&
           server_has_address(server);
}

const char *server_addr_text(const struct server *server, char *buffer)
{
    struct text text = text_over(buffer, ADDR_TEXT_BYTES);

    if (server->is_original) {
        text_append(&text, "original");
        return buffer;
    }
    if (server->builtin == BUILTIN_NONE)
        return addr_text(&server->addr, buffer);
    text_append(&text, "builtin:");
    text_append(&text, builtin_word(server->builtin));
    return buffer;
}

bool server_may_be_tried(const struct server *server)
{
    return atomic_load_explicit(&server->admin, memory_order_relaxed) == SERVER_ADMIN_UP &&
           server_has_address(server);
}

bool server_has_address(const struct server *server)
{
    return server->addr.family != AF_UNSPEC || server->builtin != BUILTIN_NONE ||
           server->is_original;
}

bool server_has_place(const struct server *server)
{
    int most = atomic_load_explicit(&server->max_connections, memory_order_relaxed);

    return most == 0 || atomic_load_explicit(&server->active, memory_order_relaxed) < most;
}

int server_active_now(struct server *server)
{
    return atomic_fetch_add_explicit(&server->active, 0, memory_order_acq_rel);
}

bool server_take_place(struct server *server)
{
    int most = atomic_load_explicit(&server->max_connections, memory_order_relaxed);
    int active = atomic_load_explicit(&server->active, memory_order_relaxed);

    do {
        if (most != 0 && active >= most)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&server->active, &active, active + 1,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return true;
}
