/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve.c - host names to addresses, once, while culvert starts.
 */
#include "net/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

static size_t answers(const struct addrinfo *list)
{
    size_t count = 0;

    for (; list != NULL; list = list->ai_next)
        count++;
    return count;
}

static bool is_known(const struct addr *addrs, size_t count, const struct addr *addr)
{
    for (size_t i = 0; i < count; i++) {
        if (addr_equal(&addrs[i], addr))
            return true;
    }
    return false;
}

bool resolve_host(const char *host, uint16_t port, struct addr **addrs, size_t *count,
                  struct error *error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int result = getaddrinfo(host, NULL, &hints, &list);

    if (result == EAI_SYSTEM)
        return error_set(error, 0, "%s: %s", host, strerror(errno));
    if (result != 0)
        return error_set(error, 0, "%s: %s", host, gai_strerror(result));
    struct addr *found = calloc(answers(list) + 1, sizeof(*found));
    size_t found_count = 0;
    if (found == NULL) {
        freeaddrinfo(list);
        return error_set(error, 0, "%s: out of memory", host);
    }
    for (const struct addrinfo *answer = list; answer != NULL; answer = answer->ai_next) {
        struct addr addr;

        addr_from_sockaddr(&addr, answer->ai_addr, answer->ai_addrlen);
        if (addr.family != AF_INET && addr.family != AF_INET6)
            continue;
        addr.port = port;
        if (!is_known(found, found_count, &addr))
            found[found_count++] = addr;
    }
    freeaddrinfo(list);
    if (found_count == 0) {
        free(found);
        return error_set(error, 0, "%s: has no address", host);
    }
    *addrs = found;
    *count = found_count;
    return true;
}
