/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pid_file.c - creating, replacing and removing the pid file without following links.
 */
#include "daemon/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* Two starts at once may replace each other's file this often before one gives up. */
#define ATTEMPTS 3

static bool refuse(const char *path, struct error *error)
{
    int exit_code = errno == EACCES || errno == EPERM || errno == EROFS ? EX_NOPERM : EX_CONFIG;

    return error_set(error, exit_code, "cannot create the pid file %s: %s", path, strerror(errno));
}

/* Says whose the file is, as far as it tells. */
static bool refuse_live(const char *path, int fd, struct error *error)
{
    char number[16] = "";
    ssize_t length = pread(fd, number, sizeof(number) - 1, 0);

    number[length > 0 ? length : 0] = '\0';
    number[strcspn(number, "\n")] = '\0';
    return error_set(error, EX_UNAVAILABLE, "another culvert runs with the pid file %s%s%s", path,
                     number[0] != '\0' ? ": process " : "", number);
}

/* Removes what a dead process left. False when the file is alive or not ours to touch. */
static bool remove_stale(const char *path, struct error *error)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    bool is_removed;

    if (fd == -1)
        return errno == ENOENT || refuse(path, error);
    if (fstat(fd, &status) == -1 || !S_ISREG(status.st_mode) ||
        (status.st_uid != geteuid() && status.st_uid != 0)) {
        close(fd);
        return error_set(error, EX_CONFIG, "the pid file %s exists and is no pid file of ours",
                         path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
        refuse_live(path, fd, error);
        close(fd);
        return false;
    }
    is_removed = unlink(path) == 0 || errno == ENOENT || refuse(path, error);
    close(fd);
    return is_removed;
}

bool pid_file_create(struct pid_file *file, const char *path, struct error *error)
{
    *file = (struct pid_file){.path = NULL, .fd = -1};
    if (path == NULL || path[0] == '\0')
        return true;

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

        if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            file->fd = fd;
            file->path = strdup(path);
            if (file->path != NULL)
                return true;
            close(fd);
            return error_set(error, EX_OSERR, "out of memory");
        }
        if (fd != -1)
            close(fd); /* somebody took it for a stale one meanwhile */
        else if (errno != EEXIST)
            return refuse(path, error);
        if (!remove_stale(path, error))
            return false;
    }
    return error_set(error, EX_UNAVAILABLE, "another culvert is starting with the pid file %s",
                     path);
}

bool pid_file_publish(struct pid_file *file, struct error *error)
{
    if (file->path == NULL)
        return true;
    if (dprintf(file->fd, "%d\n", (int)getpid()) < 0)
        return refuse(file->path, error);
    return true;
}

void pid_file_remove(struct pid_file *file)
{
    if (file->path == NULL)
        return;
    if (unlink(file->path) == -1 && ftruncate(file->fd, 0) == -1)
        errno = 0; /* it stays behind: unlocked, so the next start replaces it */
    close(file->fd);
    free(file->path);
    *file = (struct pid_file){.path = NULL, .fd = -1};
}
