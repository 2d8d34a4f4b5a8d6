/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.h - one question to the API and its answer, as the handlers see them.
 *
 * Handlers know neither sockets nor evhttp: they read a question, fill in an answer and return.
 */
#ifndef CULVERT_ADMIN_EXCHANGE_H
#define CULVERT_ADMIN_EXCHANGE_H

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"

struct admin_view;
struct evkeyvalq;

struct question {
    const struct admin_view *view;
    const char *name;   /* what follows the endpoint's path, such as a session's id; or "" */
    const char *accept; /* the Accept header, or "" */
    const char *body;   /* of `body_length` bytes */
    size_t body_length;
    const struct evkeyvalq *query;
};

struct answer {
    int status;
    const char *content_type;
    struct evbuffer *body; /* owned by who asks */
};

/* What the API says JSON is. */
#define CONTENT_TYPE_JSON "application/json"

/* Sets the status and the JSON text as body. Takes over the reference to `json`; NULL (no memory)
   becomes a 500. */
void answer_json(struct answer *answer, int status, json_t *json);

/* Adds the JSON text to the body, for lists that are worded one element at a time: neither memory
   nor time for a tree of them all. Takes over the reference; false without memory. */
bool answer_add_json(struct answer *answer, json_t *json) CULVERT_MUST_CHECK;

/* {"error": "…"}, and "did_you_mean" when `near` is not NULL. */
void answer_error(struct answer *answer, int status, const char *near, const char *format, ...)
    CULVERT_PRINTF(4, 5);

/* A JSON string from any bytes: what is not UTF-8 becomes '?'. NULL becomes "". */
json_t *json_text(const char *text);

/* Microseconds as seconds; counters as integers (JSON has no unsigned ones). */
json_t *json_seconds(int64_t us);
json_t *json_count(uint64_t count);

/* The wall clock as "2026-11-22T20:00:00.123Z". */
json_t *json_time(int64_t wall_us);

/* The candidate nearest to `word` by core/text; keeps `*best` (initially NULL) when none is nearer.
 */
struct nearest {
    const char *word;
    const char *best;
    size_t distance;
};
void nearest_consider(struct nearest *nearest, const char *candidate);

#endif
