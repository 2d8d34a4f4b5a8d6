/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preread.h - looking at a client's first bytes before anyone is contacted. Private to relay/.
 *
 * They are looked at with MSG_PEEK and stay in the kernel. An edge comes with each segment, so what
 * is not whole yet waits for the next one; where no more can come, the client has left. All of it
 * has preread_timeout, from accept.
 */
#ifndef CULVERT_RELAY_PREREAD_H
#define CULVERT_RELAY_PREREAD_H

#include <stddef.h>

#include "relay/step.h"

/*
 * Looks at up to `size` bytes, in the worker's scratch memory, and arms the deadline. STEP_NEXT:
 * there are `*count` > 0 of them; otherwise the answer is the step's.
 */
enum step preread_look(struct session *session, size_t size, size_t *count);

/* Those bytes are not enough. */
enum step preread_wait(struct session *session);

/* The timer fired. */
enum step preread_expire(struct session *session);

#endif
