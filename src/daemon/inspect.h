/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.h - the commands that look and explain and start nothing: -t, -T, -V, -h, explain.
 */
#ifndef CULVERT_DAEMON_INSPECT_H
#define CULVERT_DAEMON_INSPECT_H

#include "core/base.h"
#include "config/config.h"
#include "daemon/command_line.h"

/* Runs the command (neither COMMAND_RUN nor COMMAND_CTL) and returns the exit code. */
int inspect_run(const struct command_line *line);

/*
 * The pipes that the configuration may use: 0 where no listener splices. Used for the budget by -t
 * and by the start alike.
 */
int inspect_pipes_wanted(const struct snapshot *snapshot);

#endif
