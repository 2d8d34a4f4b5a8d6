/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_text.c - escaping into too little memory, and the distance of words.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char memory[256];
    char first[80];
    char second[80];
    size_t there;
    size_t back;
    struct text text;
    size_t half = size / 2 < sizeof(first) ? size / 2 : sizeof(first) - 1;

    if (size < 2)
        return 0;
    text = text_over(memory, (size_t)data[0] + 1 < sizeof(memory) ? (size_t)data[0] + 1 : 1);
    text_append_escaped(&text, (const char *)data + 1, size - 1);
    assert(text.length < text.capacity && strlen(memory) == text.length);
    for (size_t i = 0; i < text.length; i++)
        assert(memory[i] >= 0x20 && memory[i] < 0x7f);

    memcpy(first, data, half);
    first[half] = '\0';
    memcpy(second, data + half, half);
    second[half] = '\0';
    if (text_is_near(first, second, &there) && text_is_near(second, first, &back))
        assert(there == back);
    if (strlen(first) <= 63)
        assert(text_is_near(first, first, &there) && there == 0);
    return 0;
}
