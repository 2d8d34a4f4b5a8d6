/* SPDX-License-Identifier: Apache-2.0 */
/*
 * destination.c - asking connection tracking, and the way back to ourselves.
 */
#include "net/destination.h"

#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"

/* What was dialled before an address translation; false where nothing was translated or tracked. */
static bool find_translated(int fd, int family, struct addr *destination)
{
    struct sockaddr_storage storage;
    socklen_t length =
        family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    int name = family == AF_INET6 ? IP6T_SO_ORIGINAL_DST : SO_ORIGINAL_DST;

    if (getsockopt(fd, level, name, &storage, &length) == -1)
        return false;
    addr_from_sockaddr(destination, (const struct sockaddr *)&storage, length);
    return destination->family != AF_UNSPEC;
}

bool destination_find(int fd, struct addr *destination)
{
    struct addr local;

    /* A v4-mapped address is an IPv4 one by now: connection tracking knows it as that. */
    if (!socket_local_addr(fd, &local) || (local.family != AF_INET && local.family != AF_INET6))
        return false;
    if (!find_translated(fd, local.family, destination))
        *destination = local;
    return true;
}

static bool is_wildcard(const struct addr *addr)
{
    return addr->family == AF_INET ? addr->v4.s_addr == htonl(INADDR_ANY)
                                   : IN6_IS_ADDR_UNSPECIFIED(&addr->v6);
}

/* The kernel lets a socket bind the machine's own addresses alone. Where it was told to allow
   others as well (ip_nonlocal_bind) this takes every address for one. */
static enum destination_place find_machine(const struct addr *addr)
{
    struct addr any_port = *addr;
    struct sockaddr_storage storage;
    socklen_t length;
    bool is_own;
    int fd = socket(addr->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1)
        return DESTINATION_UNKNOWN;
    any_port.port = 0;
    length = addr_to_sockaddr(&any_port, &storage);
    is_own = bind(fd, (const struct sockaddr *)&storage, length) != -1;
    close(fd);
    return is_own ? DESTINATION_HERE : DESTINATION_ELSEWHERE;
}

enum destination_place destination_place(const struct addr *destination,
                                         const struct addr *listening, unsigned count)
{
    bool is_wildcard_seen = false;

    for (unsigned i = 0; i < count; i++) {
        const struct addr *addr = &listening[i];

        if (addr->family != destination->family || addr->port != destination->port)
            continue;
        if (addr_equal(addr, destination))
            return DESTINATION_HERE;
        is_wildcard_seen |= is_wildcard(addr);
    }
    return is_wildcard_seen ? find_machine(destination) : DESTINATION_ELSEWHERE;
}
