/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend_open.h - opening the backend socket of a session and starting to connect it. Private to
 * relay/.
 */
#ifndef CULVERT_RELAY_BACKEND_OPEN_H
#define CULVERT_RELAY_BACKEND_OPEN_H

#include <stdbool.h>

#include "core/base.h"
#include "relay/close_reason.h"

struct session;

/*
 * `server = original`: learns where the client wanted to go. False with the reason when that is
 * culvert itself or not known, or without memory or a descriptor.
 */
bool backend_find_destination(struct session *session,
                              enum close_reason *reason) CULVERT_MUST_CHECK;

/*
 * Opens conn[BACKEND] towards the session's server: 0 when it is connected already, EINPROGRESS, or
 * the errno and its reason. The conn may be open even then; conn_reset() closes it. Of the pool's
 * source addresses up to three are tried. A worker's last spare descriptors are used where there is
 * no other.
 */
int backend_open(struct session *session, enum close_reason *reason);

/* The session is over: its connection may no longer be taken for one that came back. */
void backend_forget(struct session *session);

#endif
