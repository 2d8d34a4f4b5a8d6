/* SPDX-License-Identifier: Apache-2.0 */
/*
 * builtin.h - the servers inside culvert: echo (RFC 862), discard (RFC 863), chargen (RFC 864).
 *
 * For first trials and tests. Each connection is one end of a socketpair(2), so no port is opened
 * and the relay's path is the usual one. Served on the caller's event base.
 */
#ifndef CULVERT_NET_BUILTIN_H
#define CULVERT_NET_BUILTIN_H

#include "core/base.h"
#include "core/list.h"

struct event_base;

enum builtin_service { BUILTIN_NONE, BUILTIN_ECHO, BUILTIN_DISCARD, BUILTIN_CHARGEN };

/* The live connections of one worker to built-in services. */
struct builtin_services {
    struct event_base *base;
    struct list connections;
};

void builtin_init(struct builtin_services *services, struct event_base *base);

/* Closes all connections. */
void builtin_release(struct builtin_services *services);

/*
 * Makes a connected pair and serves its far end: echo and discard end when their input ends
 * (echo after it has sent everything back), chargen when its peer is gone. Returns the near end
 * (non-blocking, close-on-exec), which the caller owns, or -1 with errno.
 */
int builtin_connect(struct builtin_services *services,
                    enum builtin_service service) CULVERT_MUST_CHECK;

/* "echo", "discard", "chargen" to the service; BUILTIN_NONE for any other word. */
enum builtin_service builtin_from_word(const char *word);
const char *builtin_word(enum builtin_service service);

#endif
