/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_proxy_header.c - the first bytes of a connection: a part of them is PARTIAL, or what all of
 * them are; addresses that were read, and text of any length, are written within bounds and read
 * again as the same.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From memory of just that size. */
static enum proxy_verdict read_copy(const uint8_t *data, size_t size, struct proxy_header *header)
{
    unsigned char *copy = malloc(size == 0 ? 1 : size);
    enum proxy_verdict verdict;

    assert(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    verdict = proxy_header_read(copy, size, header);
    free(copy);
    return verdict;
}

static bool is_same(const struct proxy_header *a, const struct proxy_header *b)
{
    return a->length == b->length && a->is_local == b->is_local &&
           a->has_addresses == b->has_addresses && addr_equal(&a->source, &b->source) &&
           addr_equal(&a->destination, &b->destination);
}

static void check_parts(const uint8_t *data, size_t size, enum proxy_verdict verdict,
                        const struct proxy_header *whole)
{
    size_t step = 1 + size / 64;

    for (size_t cut = size % step; cut < size; cut += step) {
        struct proxy_header part;
        enum proxy_verdict part_verdict = read_copy(data, cut, &part);

        assert(part_verdict == PROXY_PARTIAL || part_verdict == verdict);
        if (part_verdict == PROXY_WHOLE)
            assert(is_same(&part, whole));
        else if (part_verdict != PROXY_PARTIAL)
            assert(part.fault == whole->fault);
    }
}

/* The header's addresses with text of the input's, in a buffer that may be too small. */
static void check_written(const uint8_t *data, size_t size, const struct proxy_header *header)
{
    char *text = malloc(size + 1);
    size_t room = size == 0 ? 0 : (size_t)data[0] * 8;
    unsigned char *bytes = malloc(room + 1);
    struct proxy_facts facts = {.source = header->source, .destination = header->destination};

    assert(text != NULL && bytes != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    facts.authority = facts.unique_id = facts.alpn = text;
    facts.alpn_size = size;
    facts.has_crc32c = true;
    struct proxy_ssl ssl = {.version = "TLSv1.3", .common_name = text, .common_name_size = size};
    facts.ssl = &ssl;
    for (enum send_proxy version = SEND_PROXY_V1; version <= SEND_PROXY_V2; version++) {
        size_t length = proxy_header_write(version, &facts, bytes, room);
        struct proxy_header again;

        assert(length <= room);
        if (length == 0 || (version == SEND_PROXY_V2 && strlen(text) > 128))
            continue;
        assert(read_copy(bytes, length, &again) == PROXY_WHOLE && again.length == length);
        assert(again.has_addresses == header->has_addresses);
        assert(!again.has_addresses || (addr_equal(&again.source, &header->source) &&
                                        addr_equal(&again.destination, &header->destination)));
    }
    free(bytes);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header;
    enum proxy_verdict verdict = read_copy(data, size, &header);
    enum proxy_verdict signature;

    if (verdict == PROXY_WHOLE)
        assert(header.length <= size && header.length <= PROXY_HEADER_MAX);
    assert((header.fault != NULL) == (verdict == PROXY_ABSENT || verdict == PROXY_INVALID));
    signature = proxy_signature_read(data, size);
    assert((signature == PROXY_ABSENT) == (verdict == PROXY_ABSENT));
    assert(signature == PROXY_WHOLE || verdict == PROXY_ABSENT || verdict == PROXY_PARTIAL);
    check_parts(data, size, verdict, &header);
    check_written(data, size, &header);
    return 0;
}
