/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cert_watch.h - certificates that change while culvert runs.
 *
 * Runs on the control thread: looks at the files of each TLS profile when its reload_interval has
 * passed or when somebody asks, hands what was loaded to the workers, and warns of certificates
 * that are about to expire. Sessions keep what they began with.
 */
#ifndef CULVERT_DAEMON_CERT_WATCH_H
#define CULVERT_DAEMON_CERT_WATCH_H

#include <event2/event.h>

#include "core/error.h"
#include "config/snapshot.h"
#include "worker/worker.h"
#include "admin/http_api.h"

struct cert_watch;

/* The snapshot and the workers must outlive it. NULL with the error set otherwise. */
struct cert_watch *cert_watch_open(struct event_base *base, struct snapshot *snapshot,
                                   struct worker_shared *shared, struct error *error);
void cert_watch_close(struct cert_watch *watch);

/* Loads all profiles anew, changed or not. `look` says what came of it. */
void cert_watch_reload(struct cert_watch *watch, struct tls_look *look);

/* What became of each profile's loads, in the order of the snapshot. */
const struct tls_loads *cert_watch_loads(const struct cert_watch *watch);

/* Warns of certificates that end within three weeks; the watch does so daily by itself. */
void cert_watch_warn(struct cert_watch *watch);

#endif
