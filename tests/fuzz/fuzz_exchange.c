/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_exchange.c - what a check makes of a server's answer, whole, in part and ended.
 *
 * The first byte chooses the type of the check; the rest is the answer.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "health/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum exchange_verdict judge(const struct exchange_options *options, const uint8_t *data,
                                   size_t size, bool is_ended)
{
    char memory[192];
    struct text cause = text_over(memory, sizeof(memory));
    /* Exactly its size, so that a read beyond it is found. */
    unsigned char *copy = malloc(size == 0 ? 1 : size);
    enum exchange_verdict verdict;

    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    verdict = exchange_judge(options, copy, size, is_ended, &cause);
    free(copy);
    assert((cause.length > 0) == (verdict == EXCHANGE_BAD));
    for (size_t i = 0; i < cause.length; i++)
        assert(memory[i] >= 0x20 && memory[i] < 0x7f);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char expected[] = "220 ";
    struct exchange_options options = {.expect = expected, .expect_size = 4};
    enum exchange_verdict whole;
    enum exchange_verdict part;

    if (size == 0)
        return 0;
    options.type = (enum exchange_type)(data[0] % (EXCHANGE_MYSQL + 1));
    data++;
    size = size - 1 > EXCHANGE_ANSWER_BYTES ? EXCHANGE_ANSWER_BYTES : size - 1;
    whole = judge(&options, data, size, false);
    part = judge(&options, data, size / 2, false);
    /* A verdict stays with more bytes; an end, or as much as is read, leaves no room for more. */
    assert(part == EXCHANGE_WANTS_MORE || part == whole);
    assert(judge(&options, data, size, true) != EXCHANGE_WANTS_MORE);
    assert(size < EXCHANGE_ANSWER_BYTES || whole != EXCHANGE_WANTS_MORE);
    return 0;
}
