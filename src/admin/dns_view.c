/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_view.c - wording what discovery knows.
 */
#include "admin/dns_view.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "core/clock.h"
#include "admin/http_api.h"

/* Room for "srv:" and a name. */
#define NAME_BYTES 300

/* As the configuration has it. */
static const char *name_text(const struct name_view *name, char *buffer)
{
    snprintf(buffer, NAME_BYTES, "%s%s", name->is_srv ? "srv:" : "", name->name);
    return buffer;
}

/* ---- the API ------------------------------------------------------------------------------ */

static json_t *word_addresses(const struct name_view *name)
{
    json_t *json = json_array();

    for (unsigned i = 0; i < name->addr_count; i++) {
        const struct addr *addr = &name->addrs[i];
        char ip[INET6_ADDRSTRLEN];

        if (inet_ntop(addr->family, &addr->v6, ip, sizeof(ip)) != NULL)
            json_array_append_new(json, json_string(ip));
    }
    return json;
}

static json_t *word_lookups(const struct name_view *name)
{
    json_t *json = json_object();

    for (enum resolver_result result = RESOLVER_OK; result < RESOLVER_RESULTS; result++) {
        if (name->lookups[result] > 0 || result == RESOLVER_OK)
            json_object_set_new(json, resolver_result_word(result),
                                json_count(name->lookups[result]));
    }
    return json;
}

static json_t *word_name(const struct name_view *name, int64_t now_ms)
{
    char text[NAME_BYTES];
    json_t *json = json_object();
    int64_t due_ms = name->due_ms > now_ms ? name->due_ms - now_ms : 0;

    json_object_set_new(json, "name", json_text(name_text(name, text)));
    json_object_set_new(json, "target", json_boolean(name->is_target));
    json_object_set_new(json, "state", json_string(name_state_word(name->state)));
    json_object_set_new(json, "since_s", json_seconds((now_ms - name->since_ms) * 1000));
    json_object_set_new(
        json, "result",
        json_string(name->state == NAME_PENDING ? "" : resolver_result_word(name->result)));
    json_object_set_new(json, "servers", json_integer(name->servers));
    json_object_set_new(json, "addresses", word_addresses(name));
    json_object_set_new(json, "answer_age_s",
                        name->answered_ms == 0 ? json_null()
                                               : json_seconds((now_ms - name->answered_ms) * 1000));
    json_object_set_new(json, "ttl_s", json_seconds(name->ttl_ms * 1000));
    json_object_set_new(json, "next_lookup_s", json_seconds(due_ms * 1000));
    json_object_set_new(json, "lookups", word_lookups(name));
    return json;
}

void dns_view_handle_list(const struct question *question, struct answer *answer)
{
    json_t *names = json_array();
    int64_t now_ms = clock_now_ms();
    const void *cursor = NULL;
    struct name_view name;

    while (discovery_next(question->view->discovery, &cursor, &name))
        json_array_append_new(names, word_name(&name, now_ms));
    answer_json(answer, 200, json_pack("{s:o}", "dns", names));
}

/* ---- metrics ------------------------------------------------------------------------------ */

/* The next name of the configuration. */
static bool next_configured(const struct discovery *discovery, const void **cursor,
                            struct name_view *name)
{
    do {
        if (!discovery_next(discovery, cursor, name))
            return false;
    } while (name->is_target);
    return true;
}

static void add_lookups(struct exposition *out, const struct name_view *name)
{
    char text[NAME_BYTES];

    for (enum resolver_result result = RESOLVER_OK; result < RESOLVER_RESULTS; result++) {
        const struct labels labels = {
            {{"name", name_text(name, text)}, {"result", resolver_result_word(result)}}};

        exposition_count(out, &labels, name->lookups[result]);
    }
}

void dns_view_add_metrics(struct exposition *out, const struct discovery *discovery)
{
    int64_t now_ms = clock_now_ms();
    const void *cursor = NULL;
    struct name_view name;
    char text[NAME_BYTES];

    if (discovery == NULL)
        return;
    exposition_family(out, METRIC_COUNTER, "culvert_dns_lookups",
                      "Look-ups of servers' names, by what became of them.");
    while (next_configured(discovery, &cursor, &name))
        add_lookups(out, &name);
    exposition_family(out, METRIC_GAUGE, "culvert_dns_answer_age_seconds",
                      "How old the answer in use is; no series without one.");
    for (cursor = NULL; next_configured(discovery, &cursor, &name);) {
        const struct labels labels = {{{"name", name_text(&name, text)}}};

        if (name.answered_ms != 0)
            exposition_real(out, &labels, (double)(now_ms - name.answered_ms) / 1000);
    }
    exposition_family(out, METRIC_GAUGE, "culvert_dns_servers",
                      "Servers of all pools that the name stands for.");
    for (cursor = NULL; next_configured(discovery, &cursor, &name);) {
        const struct labels labels = {{{"name", name_text(&name, text)}}};

        exposition_count(out, &labels, name.servers);
    }
}
