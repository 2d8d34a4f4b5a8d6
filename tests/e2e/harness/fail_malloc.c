/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail_malloc.c - preloaded: makes the n-th allocation of the worker threads fail.
 *
 * The file that FAIL_MALLOC names holds two 64-bit numbers, shared with the test: how many
 * allocations there were since the test set it to 0, and which one fails (0: none).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

struct control {
    _Atomic long count;
    _Atomic long fails;
};

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static struct control *control;

__attribute__((constructor)) static void open_control(void)
{
    const char *path = getenv("FAIL_MALLOC");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

    if (fd == -1)
        return;
    void *memory = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory != MAP_FAILED)
        control = memory;
}

static int fails(void)
{
    static _Thread_local int is_worker = -1; /* not known yet */
    char name[16] = "";

    if (!control || !atomic_load(&control->fails))
        return 0;
    if (is_worker == -1) {
        prctl(PR_GET_NAME, name);
        is_worker = strncmp(name, "culvert-", 8) == 0;
    }
    if (!is_worker || atomic_fetch_add(&control->count, 1) + 1 != atomic_load(&control->fails))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails() ? NULL : __libc_realloc(memory, size);
}
