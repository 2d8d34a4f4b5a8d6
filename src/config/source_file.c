/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_file.c - reading configuration texts with bounds on kind, size and time.
 */
#include "config/source_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void source_file_destroy(struct source_file *file)
{
    if (file == NULL)
        return;
    free(file->name);
    free(file->folder);
    free(file->text);
    free(file);
}

/* The folder of `name`, absolute and with a slash at its end. */
static char *folder_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    char here[PATH_MAX];
    char *folder = NULL;
    int length = slash == NULL ? 0 : (int)(slash - name) + 1;

    if (name[0] == '/')
        return strndup(name, (size_t)length);
    if (getcwd(here, sizeof(here)) == NULL)
        strcpy(here, ".");
    if (asprintf(&folder, "%s/%.*s", strcmp(here, "/") == 0 ? "" : here, length, name) == -1)
        return NULL;
    return folder;
}

/* Adds an empty file to the list; NULL without memory. `place` decides the folder. */
static struct source_file *source_file_add(struct source_files *files, const char *name,
                                           const char *place)
{
    struct source_file **more =
        realloc(files->files, (files->count + 1) * sizeof(struct source_file *));
    struct source_file *file = calloc(1, sizeof(*file));

    if (more != NULL)
        files->files = more;
    if (more == NULL || file == NULL)
        goto fail;
    file->name = strdup(name);
    file->folder = folder_of(place);
    if (file->name == NULL || file->folder == NULL)
        goto fail;
    file->number = (unsigned)files->count;
    files->files[files->count++] = file;
    return file;
fail:
    source_file_destroy(file);
    return NULL;
}

static void source_file_drop_last(struct source_files *files)
{
    source_file_destroy(files->files[--files->count]);
}

/* A byte order mark at the start says nothing in UTF-8. */
static void strip_mark(struct source_file *file)
{
    if (file->length >= 3 && memcmp(file->text, "\xef\xbb\xbf", 3) == 0) {
        file->length -= 3;
        memmove(file->text, file->text + 3, file->length + 1);
    }
}

/* Reads to the end, at most one byte more than allowed. */
static bool read_all(struct source_file *file, int fd, size_t most, struct error *error)
{
    size_t room = most + 1;

    file->text = malloc(room + 1);
    if (file->text == NULL)
        return error_set(error, 0, "out of memory");
    while (file->length < room) {
        ssize_t got = read(fd, file->text + file->length, room - file->length);

        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return error_set(error, 0, "cannot be read: %s", strerror(errno));
        if (got == 0)
            break;
        file->length += (size_t)got;
    }
    if (file->length > most)
        return error_set(error, 0, "is larger than %zu MiB", most >> 20);
    char *fitting = realloc(file->text, file->length + 1);
    if (fitting != NULL)
        file->text = fitting;
    file->text[file->length] = '\0';
    strip_mark(file);
    return true;
}

static const char *kind_word(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a folder";
    if (S_ISFIFO(mode))
        return "a FIFO";
    if (S_ISSOCK(mode))
        return "a socket";
    return "a device";
}

static bool read_regular(struct source_file *file, size_t most, struct error *error)
{
    struct stat status = {0};
    bool is_read = false;
    /* Opening a FIFO or a device must not wait; it is refused below. */
    int fd = open(file->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd == -1)
        return error_set(error, 0, "cannot be opened: %s", strerror(errno));
    if (fstat(fd, &status) == -1)
        error_set(error, 0, "cannot be examined: %s", strerror(errno));
    else if (!S_ISREG(status.st_mode))
        error_set(error, 0, "is %s, not a file", kind_word(status.st_mode));
    else
        is_read = read_all(file, fd, most, error);
    close(fd);
    file->device = status.st_dev;
    file->inode = status.st_ino;
    file->is_world_writable = (status.st_mode & S_IWOTH) != 0;
    return is_read;
}

struct source_file *source_file_read_large(struct source_files *files, const char *name,
                                           size_t most, struct error *error)
{
    struct source_file *file = source_file_add(files, name, name);

    if (file == NULL) {
        error_set(error, 0, "out of memory");
        return NULL;
    }
    if (!read_regular(file, most, error)) {
        source_file_drop_last(files);
        return NULL;
    }
    return file;
}

struct source_file *source_file_read(struct source_files *files, const char *name,
                                     struct error *error)
{
    return source_file_read_large(files, name, SOURCE_FILE_MAX_BYTES, error);
}

struct source_file *source_file_read_stdin(struct source_files *files, struct error *error)
{
    struct source_file *file = source_file_add(files, "(stdin)", "");

    if (file == NULL) {
        error_set(error, 0, "out of memory");
        return NULL;
    }
    if (!read_all(file, STDIN_FILENO, SOURCE_FILE_MAX_BYTES, error)) {
        source_file_drop_last(files);
        return NULL;
    }
    return file;
}

struct source_file *source_file_from_text(struct source_files *files, const char *name,
                                          const char *text)
{
    struct source_file *file = source_file_add(files, name, "");

    if (file == NULL)
        return NULL;
    file->text = strdup(text);
    if (file->text == NULL) {
        source_file_drop_last(files);
        return NULL;
    }
    file->length = strlen(text);
    strip_mark(file);
    return file;
}

struct source_file *source_files_find(const struct source_files *files, dev_t device, ino_t inode)
{
    for (size_t i = 0; i < files->count; i++) {
        struct source_file *file = files->files[i];

        if (file->inode == inode && file->device == device && file->inode != 0)
            return file;
    }
    return NULL;
}

void source_files_release(struct source_files *files)
{
    while (files->count > 0)
        source_file_drop_last(files);
    free(files->files);
    files->files = NULL;
}

const char *source_file_line(const struct source_file *file, unsigned line, size_t *length)
{
    const char *start = file->text;
    const char *end = file->text + file->length;

    for (unsigned i = 1; i < line && start < end; i++) {
        const char *newline = memchr(start, '\n', (size_t)(end - start));

        start = newline == NULL ? end : newline + 1;
    }
    const char *newline = start < end ? memchr(start, '\n', (size_t)(end - start)) : NULL;
    *length = (size_t)((newline == NULL ? end : newline) - start);
    if (*length > 0 && start[*length - 1] == '\r')
        (*length)--;
    return start;
}

const char *origin_text(const struct origin *origin, char *buffer, size_t size)
{
    if (origin->file == NULL)
        snprintf(buffer, size, "the built-in default");
    else
        snprintf(buffer, size, "%s:%u", origin->file->name, origin->line);
    return buffer;
}

char *source_file_resolve(const struct source_file *file, const char *path)
{
    char *whole = NULL;

    while (strncmp(path, "./", 2) == 0)
        path += 2;
    if (path[0] == '/' || file == NULL)
        return strdup(path);
    if (asprintf(&whole, "%s%s", file->folder, path) == -1)
        return NULL;
    return whole;
}
