/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.h - `culvert ctl`: the command-line client of the control socket.
 */
#ifndef CULVERT_ADMIN_CTL_H
#define CULVERT_ADMIN_CTL_H

/*
 * Runs one command; argv[0] is "ctl". Prints tables for people on a terminal, TSV otherwise, JSON
 * with --json. Returns the exit code: 0 done, 1 the answer is no, 64 usage, 69 nobody listens on
 * the socket, 77 not allowed.
 */
int ctl_run(int argc, char **argv);

#endif
