/* SPDX-License-Identifier: Apache-2.0 */
/*
 * destination.h - the address that a client dialled before the kernel led its connection here.
 */
#ifndef CULVERT_NET_DESTINATION_H
#define CULVERT_NET_DESTINATION_H

#include <stdbool.h>

#include "core/base.h"
#include "net/addr.h"

/*
 * Where the client of an accepted TCP socket wanted to go: behind a REDIRECT or DNAT rule what
 * connection tracking remembers (SO_ORIGINAL_DST), else the socket's local address, which behind a
 * TPROXY rule is the address dialled. False when there is none, as for a unix socket.
 */
bool destination_find(int fd, struct addr *destination) CULVERT_MUST_CHECK;

enum destination_place {
    DESTINATION_ELSEWHERE,
    DESTINATION_HERE,    /* a connection to it would come back to culvert */
    DESTINATION_UNKNOWN, /* there was no descriptor to find out with: errno says why */
};

/*
 * Where a connection to `destination` would arrive. Here is what one of the `count` listening
 * addresses is: the same address, or a wildcard of its family and port when the destination is an
 * address of this machine.
 */
enum destination_place destination_place(const struct addr *destination,
                                         const struct addr *listening, unsigned count);

#endif
