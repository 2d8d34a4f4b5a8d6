/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_log_line.c - whatever a peer makes us log, one record is one line, and valid JSON as JSON.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <jansson.h>

#include "core/log.h"
#include "core/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void word(const uint8_t *data, size_t size, enum log_format format)
{
    char memory[8192];
    struct text out = text_over(memory, sizeof(memory));
    struct log_line line = {.out = &out, .format = format, .level = LOG_INFO, .with_time = true};

    log_line_begin(&line, "session_end");
    log_line_string(&line, "client", (const char *)data, size);
    log_line_integer(&line, "upload_bytes", INT64_MIN);
    log_line_seconds(&line, "duration_s", 1840000);
    log_line_end(&line);

    assert(out.length == strlen(memory) && out.length < sizeof(memory));
    for (size_t i = 0; i < out.length; i++)
        assert(memory[i] >= 0x20 && memory[i] < 0x7f);
    if (format == LOG_JSON && !out.is_cut) {
        json_t *json = json_loads(memory, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

        assert(json != NULL && json_is_string(json_object_get(json, "client")));
        json_decref(json);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    word(data, size, LOG_TEXT);
    word(data, size, LOG_LOGFMT);
    word(data, size, LOG_JSON);
    return 0;
}
