/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.c - the families in one table, and those that need no file of their own.
 */
#include "health/exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "health/exchange_http.h"
#include "health/exchange_mysql.h"
#include "health/exchange_postgres.h"
#include "health/exchange_redis.h"

/* As much of an answer as a cause shows. */
#define QUOTED_BYTES 32

typedef size_t (*open_function)(const struct exchange_options *options, const char *host,
                                unsigned char *bytes);
typedef enum exchange_verdict (*judge_function)(const struct exchange_options *options,
                                                const unsigned char *bytes, size_t size,
                                                bool is_ended, struct text *cause);

struct family {
    const char *word;
    open_function open;   /* NULL: says nothing */
    judge_function judge; /* NULL: good without an answer */
};

/* ---- shared -----------------------------------------------------------------------------------
 */

void exchange_quote(struct text *cause, const unsigned char *bytes, size_t size)
{
    text_append_char(cause, '"');
    text_append_escaped(cause, (const char *)bytes, size < QUOTED_BYTES ? size : QUOTED_BYTES);
    text_append(cause, size > QUOTED_BYTES ? "\"..." : "\"");
}

enum exchange_verdict exchange_too_short(size_t size, bool is_ended, struct text *cause)
{
    if (!is_ended)
        return EXCHANGE_WANTS_MORE;
    text_append(cause, size == 0 ? "closed without an answer" : "closed within its answer");
    return EXCHANGE_BAD;
}

/* ---- expect -----------------------------------------------------------------------------------
 */

static size_t expect_open(const struct exchange_options *options, const char *host,
                          unsigned char *bytes)
{
    (void)host;
    assert(options->send_size <= EXCHANGE_OPENING_BYTES);
    if (options->send_size > 0)
        memcpy(bytes, options->send, options->send_size);
    return options->send_size;
}

static enum exchange_verdict expect_judge(const struct exchange_options *options,
                                          const unsigned char *bytes, size_t size, bool is_ended,
                                          struct text *cause)
{
    size_t common = size < options->expect_size ? size : options->expect_size;

    if (common > 0 && memcmp(bytes, options->expect, common) != 0) {
        text_append(cause, "answered ");
        exchange_quote(cause, bytes, size);
        return EXCHANGE_BAD;
    }
    if (size == 0 || common < options->expect_size)
        return exchange_too_short(size, is_ended, cause);
    return EXCHANGE_GOOD;
}

/* ---- all --------------------------------------------------------------------------------------
 */

static const struct family families[] = {
    [EXCHANGE_TCP] = {"tcp", NULL, NULL},
    [EXCHANGE_TLS] = {"tls", NULL, NULL},
    [EXCHANGE_EXPECT] = {"expect", expect_open, expect_judge},
    [EXCHANGE_HTTP] = {"http", exchange_http_open, exchange_http_judge},
    [EXCHANGE_POSTGRES] = {"postgres", exchange_postgres_open, exchange_postgres_judge},
    [EXCHANGE_REDIS] = {"redis", exchange_redis_open, exchange_redis_judge},
    [EXCHANGE_MYSQL] = {"mysql", NULL, exchange_mysql_judge},
};

const char *exchange_type_word(enum exchange_type type)
{
    return families[type].word;
}

void exchange_options_release(struct exchange_options *options)
{
    free(options->send);
    free(options->expect);
    free(options->path);
    free(options->host);
    free(options->statuses);
    *options = (struct exchange_options){.type = EXCHANGE_TCP};
}

size_t exchange_open(const struct exchange_options *options, const char *host,
                     unsigned char bytes[EXCHANGE_OPENING_BYTES])
{
    const struct family *family = &families[options->type];

    return family->open == NULL ? 0 : family->open(options, host, bytes);
}

enum exchange_verdict exchange_judge(const struct exchange_options *options,
                                     const unsigned char *bytes, size_t size, bool is_ended,
                                     struct text *cause)
{
    const struct family *family = &families[options->type];
    enum exchange_verdict verdict;

    if (family->judge == NULL)
        return EXCHANGE_GOOD;
    verdict = family->judge(options, bytes, size, is_ended, cause);
    if (verdict == EXCHANGE_WANTS_MORE && size >= EXCHANGE_ANSWER_BYTES) {
        text_append_format(cause, "no end of the answer within %d bytes", EXCHANGE_ANSWER_BYTES);
        return EXCHANGE_BAD;
    }
    return verdict;
}
