/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answers.h - for tests: an answer given whole, byte by byte and truncated.
 *
 * Include <cmocka.h> before.
 */
#ifndef CULVERT_TEST_HEALTH_ANSWERS_H
#define CULVERT_TEST_HEALTH_ANSWERS_H

#include <stdlib.h>
#include <string.h>

#include "health/exchange.h"

static char answer_cause[256];

/* The verdict on these bytes, in memory of exactly their size so that a read beyond is found. */
static inline enum exchange_verdict judge_bytes(const struct exchange_options *options,
                                                const void *bytes, size_t size, bool is_ended)
{
    unsigned char *copy = malloc(size == 0 ? 1 : size);
    struct text cause = text_over(answer_cause, sizeof(answer_cause));
    enum exchange_verdict verdict;

    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    verdict = exchange_judge(options, size == 0 ? copy + 1 : copy, size, is_ended, &cause);
    free(copy);
    return verdict;
}

/* An answer that comes byte by byte has no verdict before its last byte, and is too short when it
   ends before. */
static inline void assert_needs_all(const struct exchange_options *options, const void *bytes,
                                    size_t size, enum exchange_verdict verdict)
{
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(judge_bytes(options, bytes, i, false), EXCHANGE_WANTS_MORE);
        assert_int_equal(judge_bytes(options, bytes, i, true), EXCHANGE_BAD);
        assert_string_equal(answer_cause,
                            i == 0 ? "closed without an answer" : "closed within its answer");
    }
    assert_int_equal(judge_bytes(options, bytes, size, false), verdict);
    assert_int_equal(judge_bytes(options, bytes, size, true), verdict);
}

/* Bad, for this reason. */
static inline void assert_bad(const struct exchange_options *options, const void *bytes,
                              size_t size, const char *cause)
{
    assert_int_equal(judge_bytes(options, bytes, size, false), EXCHANGE_BAD);
    assert_string_equal(answer_cause, cause);
}

#endif
