/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_guard.h - an I/O method that lets no PROXY header through.
 *
 * For a client that is not trusted to send one, where headers of others are believed: a server
 * behind culvert must not come to believe what culvert does not. The guard looks at the first bytes
 * when they come, however late, and steps aside once they cannot be a header; from then on the conn
 * is a plain socket that costs nothing more. First bytes that may still become a signature wait in
 * the kernel.
 */
#ifndef CULVERT_NET_PROXY_GUARD_H
#define CULVERT_NET_PROXY_GUARD_H

#include <stdbool.h>

#include "core/base.h"
#include "net/conn.h"

extern const struct conn_ops proxy_guard_ops;

/* Guards an open plain conn of which nothing was read yet. */
void proxy_guard_start(struct conn *conn);

/* Whether the conn broke because a header came (EPROTO). */
bool proxy_guard_has_fired(const struct conn *conn);

#endif
