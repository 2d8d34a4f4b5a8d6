/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_file.c - reading, listing and stamping.
 */
#include "tls/tls_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "core/file_stamp.h"
#include "core/text.h"

/* ---- reading ----------------------------------------------------------------------------------
 */

static bool read_regular(struct tls_file *file, const char *path, int fd, struct error *error)
{
    struct stat status;
    size_t capacity;

    if (fstat(fd, &status) == -1)
        return error_set(error, 0, "%s cannot be examined: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return error_set(error, 0, "%s is a folder, not a file", path);
    if (!S_ISREG(status.st_mode))
        return error_set(error, 0, "%s is not a regular file", path);
    if ((uint64_t)status.st_size > TLS_FILE_MAX_BYTES)
        return error_set(error, 0, "%s is larger than %zu MiB", path, TLS_FILE_MAX_BYTES >> 20);
    capacity = (size_t)status.st_size;
    file->bytes = malloc(capacity + 1);
    if (file->bytes == NULL)
        return error_set(error, 0, "%s: out of memory", path);
    /* A file that grows meanwhile is read as it was; its stamp has changed, so it is read again. */
    while (file->size < capacity) {
        ssize_t count = read(fd, file->bytes + file->size, capacity - file->size);

        if (count == 0)
            break;
        if (count == -1 && errno == EINTR)
            continue;
        if (count == -1)
            return error_set(error, 0, "%s cannot be read: %s", path, strerror(errno));
        file->size += (size_t)count;
    }
    file->bytes[file->size] = 0;
    if (file->size == 0)
        return error_set(error, 0, "%s is empty", path);
    return true;
}

bool tls_file_read(struct tls_file *file, const char *path, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool is_read;

    *file = (struct tls_file){0};
    if (fd == -1)
        return error_set(error, 0, "%s cannot be opened: %s", path, strerror(errno));
    is_read = read_regular(file, path, fd, error);
    close(fd);
    if (!is_read)
        tls_file_release(file);
    return is_read;
}

void tls_file_release(struct tls_file *file)
{
    if (file->bytes != NULL)
        OPENSSL_cleanse(file->bytes, file->size);
    free(file->bytes);
    *file = (struct tls_file){0};
}

/* ---- folders ----------------------------------------------------------------------------------
 */

bool tls_path_is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

char *tls_path_join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + 1 + strlen(name) + 1;
    char *path = malloc(size);

    if (path != NULL) {
        struct text text = text_over(path, size);

        text_append_format(&text, "%s/%s", folder, name);
    }
    return path;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name);
    size_t suffix_length = strlen(suffix);

    return length > suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

static bool listing_add(struct tls_listing *listing, size_t *capacity, const char *name)
{
    if (listing->count == *capacity) {
        size_t wanted = *capacity == 0 ? 16 : 2 * *capacity;
        char **names = realloc(listing->names, wanted * sizeof(*names));

        if (names == NULL)
            return false;
        listing->names = names;
        *capacity = wanted;
    }
    listing->names[listing->count] = strdup(name);
    if (listing->names[listing->count] == NULL)
        return false;
    listing->count++;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool tls_listing_read(struct tls_listing *listing, const char *folder, const char *suffix,
                      struct error *error)
{
    DIR *stream = opendir(folder);
    size_t capacity = 0;
    struct dirent *entry;
    bool is_complete = true;

    *listing = (struct tls_listing){0};
    if (stream == NULL)
        return error_set(error, 0, "%s cannot be opened: %s", folder, strerror(errno));
    while (is_complete && (entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] != '.' && has_suffix(entry->d_name, suffix))
            is_complete = listing_add(listing, &capacity, entry->d_name);
    }
    closedir(stream);
    if (!is_complete) {
        tls_listing_release(listing);
        return error_set(error, 0, "%s: out of memory", folder);
    }
    if (listing->count > 0)
        qsort(listing->names, listing->count, sizeof(*listing->names), compare_names);
    return true;
}

void tls_listing_release(struct tls_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->names[i]);
    free(listing->names);
    *listing = (struct tls_listing){0};
}

/* ---- stamps -----------------------------------------------------------------------------------
 */

static uint64_t stamp_listing(uint64_t stamp, const char *folder, const char *suffix)
{
    struct tls_listing listing;
    struct error ignored = {0};

    if (!tls_listing_read(&listing, folder, suffix, &ignored))
        return XXH3_64bits_withSeed(NULL, 0, stamp);
    stamp = XXH3_64bits_withSeed(&listing.count, sizeof(listing.count), stamp);
    for (size_t i = 0; i < listing.count; i++) {
        char *path = tls_path_join(folder, listing.names[i]);

        stamp = XXH3_64bits_withSeed(listing.names[i], strlen(listing.names[i]), stamp);
        if (path != NULL)
            stamp = file_stamp(stamp, path);
        free(path);
    }
    tls_listing_release(&listing);
    return stamp;
}

uint64_t tls_stamp_folder(uint64_t seed, const char *folder)
{
    return stamp_listing(stamp_listing(seed, folder, ".pem"), folder, ".key");
}
