/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logger.h - the thread that writes the log.
 *
 * It alone may block on a log's reader. It empties every thread's ring, words the records in the
 * format asked for and writes each line with one write(2).
 */
#ifndef CULVERT_DAEMON_LOGGER_H
#define CULVERT_DAEMON_LOGGER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"
#include "core/log.h"
#include "config/snapshot.h"

struct logger;

/* Opens the outputs and makes `ring_count` rings (one per thread that logs). */
struct logger *logger_create(const struct process_config *config, unsigned ring_count,
                             struct error *error);
bool logger_start(struct logger *logger, struct error *error) CULVERT_MUST_CHECK;

bool logger_is_started(const struct logger *logger);

struct log_ring *logger_ring(struct logger *logger, unsigned number);
int logger_wake_fd(const struct logger *logger);

/* Records dropped by all rings so far. Any thread. */
uint64_t logger_dropped(const struct logger *logger);

/* Re-opens files (USR1); done by the logger thread. */
void logger_reopen(struct logger *logger);

/* Writes what is still in the rings, but for no longer than `grace_ms`, and ends the thread. */
void logger_stop(struct logger *logger, int grace_ms);
void logger_destroy(struct logger *logger);

#endif
