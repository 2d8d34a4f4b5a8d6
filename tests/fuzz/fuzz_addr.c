/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_addr.c - numeric addresses and prefixes: what is accepted reads the same once written.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "core/error.h"
#include "net/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *string = (const char *)data;
    struct addr addr = {.family = AF_UNSPEC};
    struct prefix prefix;
    struct error error;

    if (addr_parse_ip(string, size, &addr)) {
        struct addr again = {.family = AF_UNSPEC};
        char text[ADDR_TEXT_BYTES];
        const char *port = strrchr(addr_text(&addr, text), ':');

        assert(addr.family == AF_INET || addr.family == AF_INET6);
        assert(port != NULL && addr_parse_ip(text, (size_t)(port - text), &again));
        assert(addr_equal(&addr, &again));
    }
    if (prefix_parse(string, size, &prefix, &error)) {
        assert(prefix.family == AF_INET || prefix.family == AF_INET6);
        assert(prefix.bits <= (prefix.family == AF_INET ? 32 : 128));
    }
    return 0;
}
