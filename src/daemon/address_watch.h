/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_watch.h - files of addresses that change while culvert runs.
 *
 * Runs on the control thread: looks at the files of all lists every two seconds, and when somebody
 * asks. What is wrong is said once, in the log; the list stays as it was.
 */
#ifndef CULVERT_DAEMON_ADDRESS_WATCH_H
#define CULVERT_DAEMON_ADDRESS_WATCH_H

#include <event2/event.h>

#include "core/error.h"
#include "config/snapshot.h"
#include "admin/http_api.h"

struct address_watch;

/* The snapshot must outlive it. NULL with the error set otherwise. */
struct address_watch *address_watch_open(struct event_base *base, struct snapshot *snapshot,
                                         struct error *error);

/* NULL is allowed. */
void address_watch_close(struct address_watch *watch);

/* Reads all files anew, changed or not. `look` says what came of it. */
void address_watch_reload(struct address_watch *watch, struct address_looks *look);

#endif
