/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_api_query.c - what a client of the API may write freely: the query of /api/v1/sessions, and
 * the Accept header of /metrics.
 */
#include <assert.h>
#include <event2/http.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "config/snapshot.h"
#include "admin/exposition.h"
#include "admin/sessions_view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_query(const char *text)
{
    static char web[] = "web", app[] = "app", a1[] = "a1";
    static struct server server = {.name = a1};
    static struct pool pool = {.name = app, .servers = &server, .server_count = 1};
    static struct listener_config listener = {.name = web};
    static struct snapshot snapshot = {
        .listeners = &listener, .listener_count = 1, .pools = &pool, .pool_count = 1};
    struct answer answer = {.body = evbuffer_new()};
    struct sessions_filter filter;
    struct evkeyvalq query;
    size_t limit = 1000;

    TAILQ_INIT(&query);
    if (evhttp_parse_query_str(text, &query) == 0) {
        if (sessions_view_parse(&snapshot, &query, &filter, &limit, &answer)) {
            assert(limit <= 1000 && filter.id == 0);
            assert(filter.phase >= -1 && filter.phase < PHASE_COUNT);
            assert(filter.listener[0] == '\0' || strcmp(filter.listener, "web") == 0);
            assert(filter.pool[0] == '\0' || strcmp(filter.pool, "app") == 0);
            assert(filter.server[0] == '\0' || strcmp(filter.server, "a1") == 0);
        } else {
            assert(answer.status == 400 || answer.status == 404);
            assert(evbuffer_get_length(answer.body) > 0);
        }
    }
    evhttp_clear_headers(&query);
    evbuffer_free(answer.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (text == NULL)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    parse_query(text);
    (void)exposition_wants_open_metrics(text);
    free(text);
    return 0;
}
