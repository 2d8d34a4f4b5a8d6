/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_address.c - binding without a port, and the right to any address.
 */
#include "net/source_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int source_address_bind(int fd, const struct addr *addr)
{
    struct addr without_port = *addr;
    struct sockaddr_storage storage;
    socklen_t length;
    int on = 1;

    without_port.port = 0;
    length = addr_to_sockaddr(&without_port, &storage);
    if (length == 0)
        return EAFNOSUPPORT;
    /* Of IPv6 sockets, too: the kernel keeps one flag for both. */
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == -1)
        return errno;
    return bind(fd, (const struct sockaddr *)&storage, length) == -1 ? errno : 0;
}

int source_address_allow_any(int fd, int family)
{
    int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    int name = family == AF_INET6 ? IPV6_TRANSPARENT : IP_TRANSPARENT;
    int on = 1;

    return setsockopt(fd, level, name, &on, sizeof(on)) == -1 ? errno : 0;
}

bool source_address_may_be_any(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error;

    if (fd == -1)
        return false;
    error = source_address_allow_any(fd, AF_INET);
    close(fd);
    return error == 0;
}
