/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_address.h - the local address of an outgoing connection, and addresses that are not this
 * machine's own.
 */
#ifndef CULVERT_NET_SOURCE_ADDRESS_H
#define CULVERT_NET_SOURCE_ADDRESS_H

#include <stdbool.h>

#include "core/base.h"
#include "net/addr.h"

/*
 * Binds the socket to the address, whose port is not looked at: the kernel chooses one when the
 * socket connects, and so may use it once for each server (IP_BIND_ADDRESS_NO_PORT, ip(7)). 0 or
 * the errno; EADDRNOTAVAIL means that no interface has the address, while the same errno from
 * connect(2) means that no port is free.
 */
int source_address_bind(int fd, const struct addr *addr);

/* Lets the socket bind, and connect or accept from, any address (IP_TRANSPARENT, ip(7)): 0 or the
   errno, EPERM without CAP_NET_ADMIN or CAP_NET_RAW. */
int source_address_allow_any(int fd, int family);

/* Whether this thread may do that. */
bool source_address_may_be_any(void);

#endif
