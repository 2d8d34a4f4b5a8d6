/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_stamp.c - walking a path as the kernel does, and hashing what it meets.
 */
#include "core/file_stamp.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "core/text.h"

/* As the kernel counts (path_resolution(7)). */
#define LINKS_MAX 40

static uint64_t stamp_status(uint64_t stamp, const struct stat *status)
{
    const uint64_t facts[] = {
        (uint64_t)status->st_dev,         (uint64_t)status->st_ino,
        (uint64_t)status->st_mode,        (uint64_t)status->st_size,
        (uint64_t)status->st_mtim.tv_sec, (uint64_t)status->st_mtim.tv_nsec,
        (uint64_t)status->st_ctim.tv_sec, (uint64_t)status->st_ctim.tv_nsec,
    };

    return XXH3_64bits_withSeed(facts, sizeof(facts), stamp);
}

static uint64_t stamp_number(uint64_t stamp, uint64_t number)
{
    return XXH3_64bits_withSeed(&number, sizeof(number), stamp);
}

/* A path being walked: `done` has no symbolic link in it, `rest` is still to go. */
struct walk {
    char done[PATH_MAX];
    char rest[PATH_MAX];
};

/* Moves the next component from `rest` to `done`; false at the end. `*mark` is where `done` ended
   before. */
static bool walk_step(struct walk *walk, size_t *mark)
{
    struct text done = {
        .bytes = walk->done, .length = strlen(walk->done), .capacity = sizeof(walk->done)};
    size_t start = strspn(walk->rest, "/");
    size_t length = strcspn(walk->rest + start, "/");

    *mark = done.length;
    if (length == 0)
        return false;
    if (start > 0 || *mark > 0)
        text_append_char(&done, '/');
    text_append_bytes(&done, walk->rest + start, length);
    memmove(walk->rest, walk->rest + start + length, strlen(walk->rest + start + length) + 1);
    return !done.is_cut;
}

/* The last component of `done` is a link: goes on with where it leads. */
static bool walk_follow(struct walk *walk, size_t mark)
{
    char target[PATH_MAX];
    char rest[PATH_MAX];
    struct text text = text_over(rest, sizeof(rest));
    ssize_t length = readlink(walk->done, target, sizeof(target));

    if (length <= 0)
        return false;
    if (target[0] == '/')
        mark = 0;
    else if (walk->done[0] == '/' || mark > 0)
        text_append_char(&text, '/');
    text_append_bytes(&text, target, (size_t)length);
    text_append(&text, walk->rest);
    memcpy(walk->rest, rest, text.length + 1);
    walk->done[mark] = 0;
    return !text.is_cut;
}

uint64_t file_stamp(uint64_t seed, const char *path)
{
    struct walk walk = {0};
    struct text rest = text_over(walk.rest, sizeof(walk.rest));
    uint64_t stamp = stamp_number(seed, strlen(path));
    struct stat status;
    size_t mark;
    int links = 0;

    text_append(&rest, path);
    if (rest.is_cut)
        return stamp_number(stamp, ENAMETOOLONG);
    while (walk_step(&walk, &mark)) {
        if (lstat(walk.done, &status) == -1)
            return stamp_number(stamp, (uint64_t)errno);
        if (!S_ISLNK(status.st_mode))
            continue;
        stamp = stamp_status(stamp, &status);
        if (++links > LINKS_MAX || !walk_follow(&walk, mark))
            return stamp_number(stamp, ELOOP);
    }
    /* By the path as it was given: whatever the walk may have missed, this is what open() sees. */
    if (stat(path, &status) == -1)
        return stamp_number(stamp, (uint64_t)errno);
    return stamp_status(stamp, &status);
}
