/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_keylog.c - an append-only file that is nobody else's business.
 */
#include "tls/tls_keylog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static bool may_be_used(int fd, const char *path, struct error *error)
{
    struct stat status;

    if (fstat(fd, &status) == -1)
        return error_set(error, 0, "keylog_file %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(error, 0, "keylog_file %s is not a regular file", path);
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return error_set(error, 0, "keylog_file %s is open to others; its mode must be 0600", path);
    return true;
}

int tls_keylog_open(const char *path, struct error *error)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

    if (fd == -1) {
        error_set(error, 0, "keylog_file %s: %s", path,
                  errno == ELOOP ? "is a symbolic link" : strerror(errno));
        return -1;
    }
    if (may_be_used(fd, path, error))
        return fd;
    close(fd);
    return -1;
}

void tls_keylog_write(int fd, const char *line)
{
    struct iovec parts[] = {
        {.iov_base = (void *)line, .iov_len = strlen(line)},
        {.iov_base = (void *)"\n", .iov_len = 1},
    };
    ssize_t written = writev(fd, parts, ARRAY_LENGTH(parts));

    (void)written; /* a full disk costs the log, never a session */
}
