/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_http_answer.c - what `culvert ctl` takes for an answer, whole and in pieces.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin/http_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http_parse parse(const uint8_t *data, size_t size, bool is_end,
                             struct http_answer *answer)
{
    enum http_parse result;

    memset(answer, 0, sizeof(*answer));
    answer->bytes = malloc(size + 1);
    if (answer->bytes == NULL)
        abort();
    if (size > 0)
        memcpy(answer->bytes, data, size);
    answer->bytes[size] = '\0';
    result = http_answer_parse(answer->bytes, size, is_end, answer);
    if (result == HTTP_PARSE_WHOLE) {
        assert(answer->status >= 0 && answer->status <= 999);
        assert(answer->body >= answer->bytes &&
               answer->body + answer->body_length <= answer->bytes + size);
        assert(answer->body[answer->body_length] == '\0');
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_answer answer;
    enum http_parse whole = parse(data, size, false, &answer);
    enum http_parse part;

    http_answer_release(&answer);
    /* What is bad stays bad with more bytes; what is whole was not bad with fewer. */
    part = parse(data, size / 2, false, &answer);
    http_answer_release(&answer);
    assert(part != HTTP_PARSE_BAD || whole == HTTP_PARSE_BAD);
    /* An end leaves no room for more. */
    assert(parse(data, size, true, &answer) != HTTP_PARSE_MORE);
    http_answer_release(&answer);
    return 0;
}
