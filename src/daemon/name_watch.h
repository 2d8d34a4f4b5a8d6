/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_watch.h - sni_maps that change while culvert runs.
 *
 * Runs on the control thread: looks at the files of all maps every two seconds, and when somebody
 * asks. A map is taken whole or not at all; what is wrong is said once, in the log, and the names
 * stay as they were.
 */
#ifndef CULVERT_DAEMON_NAME_WATCH_H
#define CULVERT_DAEMON_NAME_WATCH_H

#include <event2/event.h>

#include "core/error.h"
#include "config/snapshot.h"
#include "worker/worker.h"
#include "admin/http_api.h"

struct name_watch;

/* The snapshot and the workers must outlive it. NULL with the error set otherwise. */
struct name_watch *name_watch_open(struct event_base *base, struct snapshot *snapshot,
                                   struct worker_shared *shared, struct error *error);

/* NULL is allowed. */
void name_watch_close(struct name_watch *watch);

/* Reads all maps anew, changed or not. `looks` says what came of it. */
void name_watch_reload(struct name_watch *watch, struct name_looks *looks);

#endif
