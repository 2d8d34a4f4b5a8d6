/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_announcement.h - the PROXY header that tells a server who its client is (send_proxy).
 */
#ifndef CULVERT_RELAY_PROXY_ANNOUNCEMENT_H
#define CULVERT_RELAY_PROXY_ANNOUNCEMENT_H

#include <stddef.h>

#include "core/base.h"
#include "net/proxy_header.h"
#include "relay/session.h"

/* Writes what the session's pool wants told; the same each time. 0: it does not fit, or there is no
   memory (ENOMEM). */
size_t proxy_announcement_write(const struct session *session, unsigned char *bytes, size_t size);

#endif
