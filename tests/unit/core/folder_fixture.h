/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder_fixture.h - a folder of the test's own, and files in it. Everything asserts: a fixture
 * that cannot be had fails the test.
 *
 * Include the headers of cmocka first.
 */
#ifndef CULVERT_TESTS_CORE_FOLDER_FIXTURE_H
#define CULVERT_TESTS_CORE_FOLDER_FIXTURE_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE __attribute__((unused)) static

/* A new folder; `buffer` keeps its path. */
FIXTURE const char *fixture_folder(char buffer[PATH_MAX])
{
    const char *base = getenv("TMPDIR");

    snprintf(buffer, PATH_MAX, "%s/culvert-test-XXXXXX", base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(buffer));
    return buffer;
}

FIXTURE int fixture_remove_entry(const char *path, const struct stat *status, int kind,
                                 struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

FIXTURE void fixture_folder_remove(const char *folder)
{
    nftw(folder, fixture_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* cmocka's setup and teardown of tests that want a folder: it is `fixture_here` meanwhile. */
__attribute__((unused)) static char fixture_here[PATH_MAX];

FIXTURE int fixture_enter_folder(void **state)
{
    (void)state;
    fixture_folder(fixture_here);
    return 0;
}

FIXTURE int fixture_leave_folder(void **state)
{
    (void)state;
    fixture_folder_remove(fixture_here);
    return 0;
}

/* "folder/name" in a buffer that the next eight calls leave alone. */
FIXTURE const char *fixture_path(const char *folder, const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];

    assert_true(snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
    return path;
}

FIXTURE void fixture_write(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

#endif
