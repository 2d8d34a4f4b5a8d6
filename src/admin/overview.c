/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overview.c - counters and configuration put side by side.
 */
#include "admin/overview.h"

#include <unistd.h>

#include "core/clock.h"
#include "pool/pool.h"
#include "pool/server_change.h"
#include "relay/close_reason.h"
#include "admin/http_api.h"
#include "admin/totals.h"

/* Reasons that never happened are left out: the list is long. */
static json_t *closed_to_json(const uint64_t *closed)
{
    json_t *json = json_object();

    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++) {
        if (closed[reason] > 0)
            json_object_set_new(json, close_reason_word((enum close_reason)reason),
                                json_count(closed[reason]));
    }
    return json;
}

static json_t *addresses_to_json(const struct admin_view *view, unsigned listener_index)
{
    json_t *json = json_array();
    char buffer[ADDR_TEXT_BYTES];

    for (unsigned i = 0; i < view->bound_count; i++) {
        if (view->bound[i].listener_index == listener_index)
            json_array_append_new(json, json_text(addr_text(&view->bound[i].addr, buffer)));
    }
    return json;
}

static uint64_t rejected_by_all(const struct listener_counters *counters)
{
    uint64_t sum = 0;

    for (int why = 0; why < REJECTED_COUNT; why++)
        sum += counter_get(&counters->rejected[why]);
    return sum;
}

static json_t *rejected_to_json(const struct listener_counters *counters)
{
    json_t *json = json_object();

    for (int why = 0; why < REJECTED_COUNT; why++)
        json_object_set_new(json, rejection_word((enum rejection)why),
                            json_count(counter_get(&counters->rejected[why])));
    return json;
}

static json_t *listener_to_json(const struct admin_view *view, const struct totals *totals,
                                const struct listener_config *listener)
{
    const struct listener_counters *counters = &totals->counters.listeners[listener->index];
    json_t *json = json_object();
    json_t *phases = json_object();
    struct listener_totals sum;

    totals_of_listener(totals, listener, &sum);
    json_object_set_new(json, "name", json_text(listener->name));
    json_object_set_new(json, "description", json_text(listener->description));
    json_object_set_new(json, "addresses", addresses_to_json(view, listener->index));
    json_object_set_new(
        json, "sessions",
        json_integer(atomic_load_explicit(&listener->sessions, memory_order_relaxed)));
    json_object_set_new(json, "max_connections", json_integer(listener->max_connections));
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        json_object_set_new(phases, phase_word((enum phase)phase),
                            json_count(counter_get(&counters->sessions[phase])));
    json_object_set_new(json, "phases", phases);
    json_object_set_new(json, "accepted_total", json_count(counter_get(&counters->accepted)));
    json_object_set_new(json, "rejected_total", json_count(rejected_by_all(counters)));
    json_object_set_new(json, "rejected", rejected_to_json(counters));
    json_object_set_new(json, "upload_bytes", json_count(sum.upload_bytes));
    json_object_set_new(json, "download_bytes", json_count(sum.download_bytes));
    json_object_set_new(json, "closed", closed_to_json(sum.closed));
    return json;
}

static json_t *listeners_to_json(const struct admin_view *view, const struct totals *totals)
{
    json_t *json = json_array();

    for (unsigned i = 0; i < view->snapshot->listener_count; i++)
        json_array_append_new(json, listener_to_json(view, totals, &view->snapshot->listeners[i]));
    return json;
}

/* Since when the server is in its state, and what has brought it there. */
static void add_change(json_t *json, const struct admin_view *view, const struct server *server)
{
    enum server_cause cause =
        (enum server_cause)atomic_load_explicit(&server->changed_by, memory_order_relaxed);
    int64_t changed_ms = atomic_load_explicit(&server->changed_ms, memory_order_relaxed);
    int64_t age_us = (clock_now_ms() - (changed_ms != 0 ? changed_ms : view->started_ms)) * 1000;

    json_object_set_new(json, "cause", json_text(server_cause_word(cause)));
    json_object_set_new(json, "detail",
                        json_text(cause == SERVER_CAUSE_PASSIVE ? "" : server->changed_detail));
    json_object_set_new(json, "since", json_time(clock_wall_us() - age_us));
    json_object_set_new(json, "state_s", json_seconds(age_us));
}

static json_t *server_to_json(const struct admin_view *view, const struct server *server)
{
    enum server_state state = server_state_of(server);
    struct server_counters counters;
    json_t *json = json_object();
    json_t *connects = json_object();
    char buffer[ADDR_TEXT_BYTES];

    json_object_set_new(json, "name", json_text(server->name));
    json_object_set_new(json, "address", json_text(server_addr_text(server, buffer)));
    json_object_set_new(json, "state", json_text(server_state_word(state)));
    add_change(json, view, server);
    json_object_set_new(json, "weight",
                        json_integer(atomic_load_explicit(&server->weight, memory_order_relaxed)));
    json_object_set_new(json, "backup", json_boolean(server->is_backup));
    json_object_set_new(json, "sessions",
                        json_integer(atomic_load_explicit(&server->active, memory_order_relaxed)));
    json_object_set_new(
        json, "max_connections",
        json_integer(atomic_load_explicit(&server->max_connections, memory_order_relaxed)));
    json_object_set_new(
        json, "failures",
        json_integer(atomic_load_explicit(&server->failures, memory_order_relaxed)));
    if (state == SERVER_STATE_EJECTED) {
        int64_t left_ms =
            atomic_load_explicit(&server->ejected_until_ms, memory_order_relaxed) - clock_now_ms();

        json_object_set_new(json, "next_trial_s", json_seconds(left_ms > 0 ? left_ms * 1000 : 0));
    }
    server_counters_sum(server, &counters);
    for (int result = 0; result < CONNECT_RESULT_COUNT; result++)
        json_object_set_new(connects, connect_result_word((enum connect_result)result),
                            json_count(counter_get(&counters.connects[result])));
    json_object_set_new(json, "connects", connects);
    return json;
}

static json_t *pool_to_json(const struct admin_view *view, const struct totals *totals,
                            const struct pool *pool)
{
    const struct pool_counters *counters = &totals->counters.pools[pool->index];
    json_t *json = json_object();
    json_t *servers = json_array();
    int sessions = 0;
    int usable = 0;

    for (unsigned i = 0; i < pool->server_count; i++) {
        const struct server *server = pool->servers[i];

        if (!server_is_shown(server))
            continue;
        json_array_append_new(servers, server_to_json(view, server));
        sessions += atomic_load_explicit(&server->active, memory_order_relaxed);
        usable += server_is_usable(server) && server_state_of(server) == SERVER_STATE_UP;
    }
    json_object_set_new(json, "name", json_text(pool->name));
    json_object_set_new(json, "description", json_text(pool->description));
    json_object_set_new(json, "balance", json_text(balance_word(pool->options.balance)));
    json_object_set_new(json, "sessions", json_integer(sessions));
    json_object_set_new(json, "servers_up", json_integer(usable));
    json_object_set_new(json, "paused", json_boolean(pool_is_paused(pool)));
    json_object_set_new(json, "waiting", json_integer(pool_queue_length(pool)));
    json_object_set_new(json, "queue_size", json_integer(pool->options.queue_size));
    json_object_set_new(json, "retries_total", json_count(counter_get(&counters->retries)));
    json_object_set_new(json, "servers", servers);
    return json;
}

static json_t *pools_to_json(const struct admin_view *view, const struct totals *totals)
{
    json_t *json = json_array();

    for (unsigned i = 0; i < view->snapshot->pool_count; i++)
        json_array_append_new(json, pool_to_json(view, totals, &view->snapshot->pools[i]));
    return json;
}

static json_t *limits_to_json(const struct admin_view *view)
{
    json_t *json = json_object();

    json_object_set_new(json, "max_connections", json_integer(view->shared->max_connections));
    json_object_set_new(json, "bound_by", json_text(view->limit_bound_by));
    json_object_set_new(json, "open_files", json_integer(view->open_files));
    json_object_set_new(json, "max_pipes", json_integer(view->shared->pipes.limit));
    json_object_set_new(json, "buffer_bytes", json_count(view->shared->buffers.limit_bytes));
    return json;
}

static void add_sums(json_t *json, const struct admin_view *view, const struct totals *totals)
{
    const struct snapshot *snapshot = view->snapshot;
    struct listener_totals all = {.upload_bytes = 0};
    uint64_t accepted = 0;
    uint64_t rejected = 0;

    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        const struct listener_counters *counters = &totals->counters.listeners[i];
        struct listener_totals sum;

        totals_of_listener(totals, &snapshot->listeners[i], &sum);
        for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++)
            all.closed[reason] += sum.closed[reason];
        all.upload_bytes += sum.upload_bytes;
        all.download_bytes += sum.download_bytes;
        accepted += counter_get(&counters->accepted);
        rejected += rejected_by_all(counters);
    }
    json_object_set_new(json, "accepted_total", json_count(accepted));
    json_object_set_new(json, "rejected_total", json_count(rejected));
    json_object_set_new(json, "upload_bytes", json_count(all.upload_bytes));
    json_object_set_new(json, "download_bytes", json_count(all.download_bytes));
    json_object_set_new(json, "copied_bytes",
                        json_count(counter_get(&totals->counters.copied_bytes)));
    json_object_set_new(json, "spliced_bytes",
                        json_count(counter_get(&totals->counters.spliced_bytes)));
    json_object_set_new(json, "closed", closed_to_json(all.closed));
}

static json_t *overview_to_json(const struct admin_view *view, const struct totals *totals)
{
    const struct worker_shared *shared = view->shared;
    json_t *json = json_object();
    json_t *worker_counts = json_array();

    json_object_set_new(json, "name", json_text(view->snapshot->process.name));
    json_object_set_new(json, "version", json_text(view->version));
    json_object_set_new(json, "pid", json_integer(getpid()));
    json_object_set_new(json, "config", json_text(view->snapshot->source));
    json_object_set_new(json, "started", json_time(view->started_wall_us));
    json_object_set_new(json, "uptime_s", json_seconds((clock_now_ms() - view->started_ms) * 1000));
    json_object_set_new(json, "ready", json_boolean(view->is_ready && !view->is_draining));
    json_object_set_new(json, "draining", json_boolean(view->is_draining));
    json_object_set_new(json, "splice", json_text(view->splice));
    for (unsigned i = 0; i < shared->worker_count; i++)
        json_array_append_new(worker_counts, json_integer(worker_sessions(shared->workers[i])));
    json_object_set_new(json, "workers", json_integer(shared->worker_count));
    json_object_set_new(json, "worker_sessions", worker_counts);
    json_object_set_new(
        json, "sessions",
        json_integer(atomic_load_explicit(&shared->sessions, memory_order_relaxed)));
    json_object_set_new(json, "limits", limits_to_json(view));
    add_sums(json, view, totals);
    json_object_set_new(
        json, "log_records_dropped",
        json_count(view->log_dropped != NULL ? view->log_dropped(view->log_argument) : 0));
    json_object_set_new(json, "listeners", listeners_to_json(view, totals));
    json_object_set_new(json, "pools", pools_to_json(view, totals));
    return json;
}

void overview_handle(const struct question *question, struct answer *answer)
{
    struct totals totals;

    if (!totals_init(&totals, question->view)) {
        answer_error(answer, 503, NULL, "out of memory");
        return;
    }
    answer_json(answer, 200, overview_to_json(question->view, &totals));
    totals_release(&totals);
}

void overview_handle_listeners(const struct question *question, struct answer *answer)
{
    struct totals totals;

    if (!totals_init(&totals, question->view)) {
        answer_error(answer, 503, NULL, "out of memory");
        return;
    }
    answer_json(answer, 200,
                json_pack("{s:o}", "listeners", listeners_to_json(question->view, &totals)));
    totals_release(&totals);
}

void overview_handle_pools(const struct question *question, struct answer *answer)
{
    struct totals totals;

    if (!totals_init(&totals, question->view)) {
        answer_error(answer, 503, NULL, "out of memory");
        return;
    }
    answer_json(answer, 200, json_pack("{s:o}", "pools", pools_to_json(question->view, &totals)));
    totals_release(&totals);
}

void overview_handle_version(const struct question *question, struct answer *answer)
{
    json_t *json = json_object();

    json_object_set_new(json, "version", json_text(question->view->version));
    json_object_set_new(json, "libevent", json_text(event_get_version()));
    json_object_set_new(json, "jansson", json_text(jansson_version_str()));
    json_object_set_new(json, "splice", json_text(question->view->splice));
    answer_json(answer, 200, json);
}
