/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_file.h - the texts a configuration is read from, and places in them.
 *
 * A file is read whole before anything looks at it and kept until the configuration is freed, so
 * that a message can show the line it speaks of.
 */
#ifndef CULVERT_CONFIG_SOURCE_FILE_H
#define CULVERT_CONFIG_SOURCE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/base.h"
#include "core/error.h"

/* The largest file that is read. */
#define SOURCE_FILE_MAX_BYTES ((size_t)1 << 20)

struct source_file {
    char *name;   /* as given, for messages */
    char *folder; /* absolute, with a slash at its end: where relative paths in it start */
    char *text;   /* NUL-terminated */
    size_t length;
    unsigned number; /* order of reading */
    bool is_root;    /* named by the command line, or by nobody */
    bool is_command_line;
    bool is_world_writable;

    const struct source_file *includer; /* NULL: named by the command line or by nobody */
    unsigned depth;                     /* 0 without an includer */
    dev_t device;                       /* identity; 0 for texts that are no files */
    ino_t inode;
};

/* All texts of one configuration, in the order of reading. */
struct source_files {
    struct source_file **files;
    size_t count;
};

/* Bytes of one line; `file` NULL means the built-in default, line 0 the whole file. */
struct origin {
    const struct source_file *file;
    unsigned line;   /* from 1 */
    unsigned column; /* bytes, from 1; 0: the whole line */
    unsigned length;
};

/*
 * Reads a regular file whole. Anything else (a folder, FIFO or device), more than 1 MiB, or an
 * unreadable file is an error, and never waits. NULL with the error set otherwise; it is owned by
 * `files`.
 */
struct source_file *source_file_read(struct source_files *files, const char *name,
                                     struct error *error);

/* The same for a file of at most `most` bytes, a multiple of 1 MiB. */
struct source_file *source_file_read_large(struct source_files *files, const char *name,
                                           size_t most, struct error *error);

/* The same from standard input, which may be a pipe. */
struct source_file *source_file_read_stdin(struct source_files *files, struct error *error);

/* A text in memory as a file; it is copied. NULL without memory. */
struct source_file *source_file_from_text(struct source_files *files, const char *name,
                                          const char *text);

/* The file that was read from the same inode, or NULL. */
struct source_file *source_files_find(const struct source_files *files, dev_t device, ino_t inode);

void source_files_release(struct source_files *files);

/* A line of the file, without its end; from 1. Empty beyond the last. */
const char *source_file_line(const struct source_file *file, unsigned line, size_t *length);

/* "file:line", or "the built-in default", for the middle of a message. Returns `buffer`. */
const char *origin_text(const struct origin *origin, char *buffer, size_t size);

/* A path as written in the file made absolute; NULL without memory. The caller frees it. */
char *source_file_resolve(const struct source_file *file, const char *path);

#endif
