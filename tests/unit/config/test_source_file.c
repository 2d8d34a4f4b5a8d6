/* SPDX-License-Identifier: Apache-2.0 */
/* test_source_file.c - what is read, what is refused, and places in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>

#include "config/fixture.h"
#include "config/source_file.h"

static void expect_refused(const char *name, const char *why)
{
    struct source_files files = {0};
    struct error error = {0};

    assert_null(source_file_read(&files, name, &error));
    if (strstr(error.text, why) == NULL)
        fail_msg("%s: %s", name, error.text);
    assert_int_equal(files.count, 0);
    source_files_release(&files);
}

static void test_only_regular_readable_files_of_a_mebibyte_are_read(void **state)
{
    (void)state;
    expect_refused("missing", "No such file");
    expect_refused(".", "is a folder");
    assert_int_equal(mkfifo("fifo", 0600), 0);
    expect_refused("fifo", "is a FIFO");
    expect_refused("/dev/zero", "is a device");
    assert_int_equal(symlink("loop", "loop"), 0);
    expect_refused("loop", "cannot be opened");
    int fd = open("big", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
    expect_refused("big", "larger than 1 MiB");
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    close(fd);
    struct source_files files = {0};
    struct error error = {0};
    assert_non_null(source_file_read(&files, "big", &error));
    assert_int_equal(files.files[0]->length, 1 << 20);
    source_files_release(&files);
    assert_int_equal(truncate("big", (2 << 20) + 1), 0);
    assert_null(source_file_read_large(&files, "big", 2 << 20, &error));
    assert_string_equal(error.text, "is larger than 2 MiB");
    assert_int_equal(truncate("big", 2 << 20), 0);
    assert_non_null(source_file_read_large(&files, "big", 2 << 20, &error));
    source_files_release(&files);
}

static void test_lines_are_found_with_either_ending(void **state)
{
    struct source_files files = {0};
    struct source_file *file = source_file_from_text(&files, "x", "one\r\ntwo\n\nlast");
    size_t length;

    (void)state;
    assert_memory_equal(source_file_line(file, 1, &length), "one", 3);
    assert_int_equal(length, 3);
    assert_memory_equal(source_file_line(file, 2, &length), "two", 3);
    source_file_line(file, 3, &length);
    assert_int_equal(length, 0);
    assert_string_equal(source_file_line(file, 4, &length), "last");
    assert_int_equal(length, 4);
    source_file_line(file, 5, &length);
    assert_int_equal(length, 0);
    source_files_release(&files);
}

static void test_a_byte_order_mark_is_dropped_once(void **state)
{
    struct source_files files = {0};
    struct source_file *file = source_file_from_text(&files, "x", "\xef\xbb\xbf\xef\xbb\xbf!");

    (void)state;
    assert_int_equal(file->length, 4);
    source_files_release(&files);
}

static void test_paths_start_at_the_folder_of_their_file(void **state)
{
    struct source_files files = {0};
    struct error error = {0};
    char wanted[128];

    (void)state;
    assert_int_equal(mkdir("sub", 0700), 0);
    write_file("sub/a.ini", "");
    struct source_file *file = source_file_read(&files, "sub/a.ini", &error);
    char *path = source_file_resolve(file, "./b.pem");
    snprintf(wanted, sizeof(wanted), "%s/sub/b.pem", fixture_folder);
    assert_string_equal(path, wanted);
    free(path);
    path = source_file_resolve(file, "/abs");
    assert_string_equal(path, "/abs");
    free(path);
    source_files_release(&files);
}

static void test_a_file_is_known_by_its_inode(void **state)
{
    struct source_files files = {0};
    struct error error = {0};
    struct stat status;

    (void)state;
    write_file("a.ini", "");
    assert_int_equal(link("a.ini", "b.ini"), 0);
    struct source_file *file = source_file_read(&files, "a.ini", &error);
    assert_int_equal(stat("b.ini", &status), 0);
    assert_ptr_equal(source_files_find(&files, status.st_dev, status.st_ino), file);
    assert_null(source_files_find(&files, status.st_dev, status.st_ino + 1));
    source_files_release(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_regular_readable_files_of_a_mebibyte_are_read),
        cmocka_unit_test(test_lines_are_found_with_either_ending),
        cmocka_unit_test(test_a_byte_order_mark_is_dropped_once),
        cmocka_unit_test(test_paths_start_at_the_folder_of_their_file),
        cmocka_unit_test(test_a_file_is_known_by_its_inode),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
