/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.c - wording answers as JSON.
 */
#include "admin/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/text.h"

static int append_to_body(const char *bytes, size_t length, void *argument)
{
    return evbuffer_add(argument, bytes, length);
}

static void set_body(struct answer *answer, int status, const char *text)
{
    answer->status = status;
    answer->content_type = CONTENT_TYPE_JSON;
    evbuffer_drain(answer->body, evbuffer_get_length(answer->body));
    evbuffer_add(answer->body, text, strlen(text));
}

bool answer_add_json(struct answer *answer, json_t *json)
{
    /* Twelve digits: microseconds of days, without the noise of binary fractions. */
    bool is_added = json != NULL && json_dump_callback(json, append_to_body, answer->body,
                                                       JSON_COMPACT | JSON_REAL_PRECISION(12)) == 0;

    json_decref(json);
    return is_added;
}

void answer_json(struct answer *answer, int status, json_t *json)
{
    set_body(answer, status, "");
    if (!answer_add_json(answer, json))
        set_body(answer, 500, "{\"error\":\"out of memory\"}");
    evbuffer_add(answer->body, "\n", 1);
}

void answer_error(struct answer *answer, int status, const char *near, const char *format, ...)
{
    char message[256];
    json_t *json = json_object();
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    json_object_set_new(json, "error", json_text(message));
    if (near != NULL)
        json_object_set_new(json, "did_you_mean", json_text(near));
    answer_json(answer, status, json);
}

json_t *json_text(const char *text)
{
    json_t *json = json_string(text != NULL ? text : "");

    if (json == NULL) {
        char *plain = strdup(text);

        for (char *byte = plain; byte != NULL && *byte != '\0'; byte++) {
            if ((unsigned char)*byte >= 0x80)
                *byte = '?';
        }
        json = plain != NULL ? json_string(plain) : NULL;
        free(plain);
    }
    return json;
}

json_t *json_seconds(int64_t us)
{
    return json_real((double)us / 1e6);
}

json_t *json_count(uint64_t count)
{
    return json_integer((json_int_t)count);
}

json_t *json_time(int64_t wall_us)
{
    char buffer[48];
    size_t length;
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm parts;

    gmtime_r(&seconds, &parts);
    length = strftime(buffer, sizeof(buffer), "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(buffer + length, sizeof(buffer) - length, ".%03dZ", (int)(wall_us / 1000 % 1000));
    return json_string(buffer);
}

void nearest_consider(struct nearest *nearest, const char *candidate)
{
    size_t distance;

    if (text_is_near(nearest->word, candidate, &distance) &&
        (nearest->best == NULL || distance < nearest->distance)) {
        nearest->best = candidate;
        nearest->distance = distance;
    }
}
