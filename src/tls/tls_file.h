/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_file.h - the small files that TLS needs: read whole, listed, and looked at for changes
 * (core/file_stamp.h).
 */
#ifndef CULVERT_TLS_TLS_FILE_H
#define CULVERT_TLS_TLS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"

/* The largest file that is read: room for long revocation lists. */
#define TLS_FILE_MAX_BYTES ((size_t)16 << 20)

/* A file in memory. Zeroed is empty. It may hold a key: release wipes it. */
struct tls_file {
    unsigned char *bytes; /* a NUL follows the last byte */
    size_t size;
};

/*
 * Reads a regular file. Anything else (a folder, FIFO or device) is an error and never waits; so is
 * an empty file. The error names the path.
 */
bool tls_file_read(struct tls_file *file, const char *path, struct error *error) CULVERT_MUST_CHECK;
void tls_file_release(struct tls_file *file);

bool tls_path_is_folder(const char *path);

/* "folder/name"; NULL without memory. The caller frees it. */
char *tls_path_join(const char *folder, const char *name);

/* The names in a folder that end with `suffix` and do not begin with a dot, in byte order. */
struct tls_listing {
    char **names;
    size_t count;
};
bool tls_listing_read(struct tls_listing *listing, const char *folder, const char *suffix,
                      struct error *error) CULVERT_MUST_CHECK;
void tls_listing_release(struct tls_listing *listing);

/* file_stamp() of every certificate and key in a folder, and of which there are. */
uint64_t tls_stamp_folder(uint64_t seed, const char *folder);

#endif
