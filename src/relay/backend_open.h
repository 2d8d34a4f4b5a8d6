/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend_open.h - opening the backend socket of a session and starting to connect it. Private to
 * relay/.
 */
#ifndef CULVERT_RELAY_BACKEND_OPEN_H
#define CULVERT_RELAY_BACKEND_OPEN_H

struct session;

/*
 * Opens conn[BACKEND] towards the session's server: 0 when it is connected already, EINPROGRESS, or
 * the errno. The conn may be open even then; conn_reset() closes it. A worker's last spare
 * descriptors are used where there is no other.
 */
int backend_open(struct session *session);

#endif
