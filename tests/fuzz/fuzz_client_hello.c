/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_client_hello.c - the first bytes of a connection: a part of them is PARTIAL, or what all of
 * them are; names and protocols are clean; records of any size say the same.
 *
 * Two readings of one input: as it is, and as the extensions of a ClientHello.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/hello_cases.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From memory of just that size. */
static enum client_hello_verdict read_copy(const uint8_t *data, size_t size,
                                           struct client_hello *hello)
{
    unsigned char *copy = malloc(size == 0 ? 1 : size);
    enum client_hello_verdict verdict;

    assert(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    verdict = client_hello_read(copy, size, hello);
    free(copy);
    return verdict;
}

static void check_clean(const struct client_hello *hello)
{
    size_t length = strnlen(hello->name, sizeof(hello->name));

    assert(length < sizeof(hello->name) && hello->alpn_size <= sizeof(hello->alpn));
    for (size_t i = 0; i < length; i++) {
        assert(hello->name[i] > ' ' && hello->name[i] <= '~');
        assert(hello->name[i] < 'A' || hello->name[i] > 'Z');
    }
    for (size_t at = 0; at < hello->alpn_size; at += 1 + (unsigned char)hello->alpn[at])
        assert(hello->alpn[at] != 0 && at + 1 + (unsigned char)hello->alpn[at] <= hello->alpn_size);
}

static bool is_same(const struct client_hello *a, const struct client_hello *b)
{
    return strcmp(a->name, b->name) == 0 && a->alpn_size == b->alpn_size &&
           memcmp(a->alpn, b->alpn, a->alpn_size) == 0 && a->detail == b->detail;
}

static void check_parts(const uint8_t *data, size_t size)
{
    struct client_hello whole;
    enum client_hello_verdict verdict = read_copy(data, size, &whole);
    /* The offsets follow from the input, so that a found one is found again. */
    size_t step = 1 + size / 16;

    assert(whole.detail != NULL);
    if (verdict == CLIENT_HELLO_WHOLE)
        check_clean(&whole);
    for (size_t cut = size % step; cut < size; cut += step) {
        struct client_hello part;
        enum client_hello_verdict part_verdict = read_copy(data, cut, &part);

        assert(part_verdict == CLIENT_HELLO_PARTIAL ||
               (part_verdict == verdict && is_same(&part, &whole)));
    }
}

static void check_wrapped(const uint8_t *data, size_t size, size_t piece)
{
    struct bytes bytes[2] = {{.data = NULL}};
    struct client_hello hellos[2];
    enum client_hello_verdict verdicts[2];

    for (size_t i = 0; i < 2; i++) {
        struct hello_draft draft = draft_open(0x0303);

        bytes_put(&draft.message, data, size);
        draft_close_into(&draft, &bytes[i], i == 0 ? 0 : piece);
        verdicts[i] = read_copy(bytes[i].data, bytes[i].size, &hellos[i]);
    }
    assert(verdicts[0] == verdicts[1] && is_same(&hellos[0], &hellos[1]));
    if (verdicts[0] == CLIENT_HELLO_WHOLE)
        check_clean(&hellos[0]);
    bytes_release(&bytes[0]);
    bytes_release(&bytes[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_parts(data, size);
    if (size > 0 && size < 4096)
        check_wrapped(data + 1, size - 1, 1 + data[0]);
    return 0;
}
