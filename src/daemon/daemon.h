/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.h - the process from start to exit.
 */
#ifndef CULVERT_DAEMON_DAEMON_H
#define CULVERT_DAEMON_DAEMON_H

/* Everything main() does; returns the exit code (docs/reference/signals-and-exit-codes.md). */
int daemon_run(int argc, char **argv);

#endif
