/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_prefix_text.c - a file of prefixes: what is read makes a set that agrees with a scan of the
 * prefixes, and what is refused has a place within the text.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/prefix_scan.h"
#include "config/prefix_text.h"
#include "route/address_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fault(const struct prefix_fault *fault, const char *text, size_t size)
{
    unsigned line = 1;
    size_t start = 0;

    assert(!fault->is_out_of_memory);
    assert(fault->error.text[0] != '\0');
    for (size_t i = 0; i < size && line < fault->line; i++) {
        if (text[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    assert(line == fault->line);
    assert(fault->column >= 1 && fault->length >= 1);
    assert(start + fault->column - 1 + fault->length <= size);
    assert(memchr(text + start, '\n', fault->column - 1 + fault->length) == NULL);
}

static bool is_mapped(const struct prefix *prefix)
{
    return prefix->family == AF_INET6 && prefix->bits >= 96 && IN6_IS_ADDR_V4MAPPED(&prefix->v6);
}

/* The first address of each prefix is in the set; with another bit it is if a prefix holds it. */
static void check_set(const struct address_set *set, const struct prefix_array *array)
{
    for (size_t i = 0; i < array->count && i < 64; i++) {
        const struct prefix *prefix = &array->items[i];
        struct addr addr = {.family = prefix->family, .v6 = prefix->v6};
        unsigned char *bytes = (unsigned char *)&addr.v6;
        bool is_held = false;
        bool has_mapped = false;

        assert(address_set_contains(set, &addr));
        bytes[prefix->bits / 8 % (prefix->family == AF_INET ? 4 : 16)] ^=
            (unsigned char)(1 << i % 8);
        if (prefix->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&addr.v6))
            continue; /* an IPv4 address, of which the scan knows nothing */
        for (size_t k = 0; k < array->count; k++) {
            is_held |= prefix_contains(&array->items[k], &addr);
            has_mapped |= is_mapped(&array->items[k]);
        }
        assert(is_held ? address_set_contains(set, &addr)
                       : has_mapped || !address_set_contains(set, &addr));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct prefix_array array = {0};
    struct prefix_fault fault;

    assert(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    if (!prefix_text_parse(text, size, &array, &fault))
        check_fault(&fault, text, size);
    struct address_set *set = address_set_create(array.items, array.count);
    assert(set != NULL);
    check_set(set, &array);
    address_set_destroy(set);
    free(array.items);
    free(text);
    return 0;
}
