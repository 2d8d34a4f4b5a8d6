/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_view.c - wording what the checker knows.
 */
#include "admin/health_view.h"

#include "health/checker.h"
#include "admin/http_api.h"

typedef void (*visit_function)(void *argument, const struct pool *pool, const struct server *server,
                               const struct check_report *report);

/* Every server that is checked, in the order of the configuration. */
static void for_each_check(const struct admin_view *view, visit_function visit, void *argument)
{
    for (unsigned i = 0; i < view->snapshot->pool_count; i++) {
        const struct pool *pool = &view->snapshot->pools[i];

        for (unsigned k = 0; k < pool->server_count; k++) {
            struct check_report report;

            if (pool->servers[k] != NULL &&
                checker_report(view->checker, pool, pool->servers[k], &report))
                visit(argument, pool, pool->servers[k], &report);
        }
    }
}

/* ---- the API ------------------------------------------------------------------------------ */

static json_t *counts_to_json(const struct check_report *report)
{
    json_t *json = json_object();

    for (int outcome = 0; outcome < PROBE_OUTCOMES; outcome++)
        json_object_set_new(json, probe_outcome_word((enum probe_outcome)outcome),
                            json_count(report->outcomes[outcome]));
    return json;
}

static void add_check(void *argument, const struct pool *pool, const struct server *server,
                      const struct check_report *report)
{
    const struct health_options *options = report->options;
    json_t *json = json_object();

    json_object_set_new(json, "pool", json_text(pool->name));
    json_object_set_new(json, "server", json_text(server->name));
    json_object_set_new(json, "state", json_text(server_state_word(server_state_of(server))));
    json_object_set_new(json, "check", json_text(options->name));
    json_object_set_new(json, "type", json_text(exchange_type_word(options->exchange.type)));
    json_object_set_new(json, "up", json_boolean(report->is_up));
    json_object_set_new(json, "against", json_integer(report->against));
    json_object_set_new(
        json, "result",
        json_text(report->has_result ? probe_outcome_word(report->last.outcome) : ""));
    json_object_set_new(json, "cause", json_text(report->last.cause));
    json_object_set_new(json, "duration_s", json_seconds(report->last.duration_us));
    if (report->has_result)
        json_object_set_new(json, "checked", json_time(report->last_wall_us));
    json_object_set_new(json, "results", counts_to_json(report));
    json_array_append_new(argument, json);
}

void health_view_handle(const struct question *question, struct answer *answer)
{
    json_t *checks = json_array();

    for_each_check(question->view, add_check, checks);
    answer_json(answer, 200, json_pack("{s:o}", "health", checks));
}

/* ---- metrics ------------------------------------------------------------------------------ */

static void add_counts(void *argument, const struct pool *pool, const struct server *server,
                       const struct check_report *report)
{
    for (int outcome = 0; outcome < PROBE_OUTCOMES; outcome++) {
        const struct labels labels = {
            {{"pool", pool->name},
             {"server", server->name},
             {"result", probe_outcome_word((enum probe_outcome)outcome)}}};

        exposition_count(argument, &labels, report->outcomes[outcome]);
    }
}

static void add_duration(void *argument, const struct pool *pool, const struct server *server,
                         const struct check_report *report)
{
    const struct labels labels = {{{"pool", pool->name}, {"server", server->name}}};

    if (report->has_result)
        exposition_real(argument, &labels, (double)report->last.duration_us / 1e6);
}

void health_view_add_metrics(struct exposition *out, const struct admin_view *view)
{
    exposition_family(out, METRIC_COUNTER, "culvert_health_checks",
                      "Checks of a server, by result.");
    for_each_check(view, add_counts, out);
    exposition_family(out, METRIC_GAUGE, "culvert_health_check_duration_seconds",
                      "How long the last check of a server took.");
    for_each_check(view, add_duration, out);
}
