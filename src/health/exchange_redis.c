/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange_redis.c - PING, and one line for an answer (Redis' manual, RESP).
 */
#include "health/exchange_redis.h"

#include <string.h>

static const char ping[] = "PING\r\n";

/* A server that wants a password or forbids the command is there and at work. */
static const char *const good_answers[] = {"+PONG\r\n", "-NOAUTH ", "-NOPERM "};

size_t exchange_redis_open(const struct exchange_options *options, const char *host,
                           unsigned char *bytes)
{
    (void)options;
    (void)host;
    memcpy(bytes, ping, sizeof(ping) - 1);
    return sizeof(ping) - 1;
}

enum exchange_verdict exchange_redis_judge(const struct exchange_options *options,
                                           const unsigned char *bytes, size_t size, bool is_ended,
                                           struct text *cause)
{
    const unsigned char *end = size == 0 ? NULL : memchr(bytes, '\n', size);

    (void)options;
    for (size_t i = 0; i < ARRAY_LENGTH(good_answers); i++) {
        size_t length = strlen(good_answers[i]);

        if (size >= length && memcmp(bytes, good_answers[i], length) == 0)
            return EXCHANGE_GOOD;
    }
    if (size > 0 && bytes[0] != '+' && bytes[0] != '-') {
        text_append(cause, "no Redis: ");
        exchange_quote(cause, bytes, size);
        return EXCHANGE_BAD;
    }
    if (end == NULL)
        return exchange_too_short(size, is_ended, cause);
    size = (size_t)(end - bytes);
    if (size > 0 && bytes[size - 1] == '\r')
        size--;
    text_append(cause, "answered ");
    text_append_escaped(cause, (const char *)bytes, size < 100 ? size : 100);
    return EXCHANGE_BAD;
}
