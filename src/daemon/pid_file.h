/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pid_file.h - the file with the process's number, and proof that no other culvert has it.
 *
 * The file is locked as long as its process lives (flock(2)), so a file left behind by a crash is
 * told from a live one whatever process has its number now. It is created before privileges are
 * dropped and stays empty until the number is published. It stays with the user of the start, too:
 * root signals the number in it, so nobody else may write one.
 */
#ifndef CULVERT_DAEMON_PID_FILE_H
#define CULVERT_DAEMON_PID_FILE_H

#include <stdbool.h>

#include "core/base.h"
#include "core/error.h"

struct pid_file {
    char *path; /* NULL: none */
    int fd;
};

/*
 * Creates and locks the file; a stale one is replaced. A live one (exit code 69), a symbolic link
 * and anything that is no regular file of ours are errors. `path` NULL: an empty pid file.
 */
bool pid_file_create(struct pid_file *file, const char *path,
                     struct error *error) CULVERT_MUST_CHECK;

/* Writes the number. */
bool pid_file_publish(struct pid_file *file, struct error *error) CULVERT_MUST_CHECK;

/* Removes it, or empties it when the folder is out of reach by now. An empty one: nothing. */
void pid_file_remove(struct pid_file *file);

#endif
