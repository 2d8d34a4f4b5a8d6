/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own_connects.h - recognising a connection of our own when it comes back to us.
 *
 * A rule that redirects a machine's outgoing connections redirects those of culvert, too, unless it
 * says otherwise: each session would then open the next one. So outgoing connections are noted
 * here, by both of their addresses, and an accepted one is compared with them. One slot for each
 * local port: where two connections share one, the newer one is remembered. Any thread.
 */
#ifndef CULVERT_NET_OWN_CONNECTS_H
#define CULVERT_NET_OWN_CONNECTS_H

#include <stdbool.h>

#include "core/base.h"
#include "net/addr.h"

struct own_connects;

struct own_connects *own_connects_create(void); /* NULL without memory */
void own_connects_destroy(struct own_connects *connects);

/* Notes a connection from `source` to `destination`, until it is forgotten. */
void own_connects_note(struct own_connects *connects, const struct addr *source,
                       const struct addr *destination);
void own_connects_forget(struct own_connects *connects, const struct addr *source,
                         const struct addr *destination);

/* Whether a client with this address that dialled `destination` is one of them. */
bool own_connects_has(const struct own_connects *connects, const struct addr *source,
                      const struct addr *destination);

#endif
