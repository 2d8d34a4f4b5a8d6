/* SPDX-License-Identifier: Apache-2.0 */
/* test_file_stamp.c - what counts as a change of a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/file_stamp.h"
#include "core/folder_fixture.h"

static void test_a_stamp_stays_until_the_file_is_written_to(void **state)
{
    const char *path = fixture_path(fixture_here, "a");
    uint64_t absent = file_stamp(1, path);
    uint64_t before;

    (void)state;
    fixture_write(path, "1", 1);
    before = file_stamp(1, path);
    assert_int_not_equal(before, absent);
    assert_int_equal(file_stamp(1, path), before);
    assert_int_not_equal(file_stamp(2, path), before);
    fixture_write(path, "12", 2);
    assert_int_not_equal(file_stamp(1, path), before);
    unlink(path);
    assert_int_equal(file_stamp(1, path), absent);
}

/* As kubelet does it: the file is a link through `..data`, which is swapped by a rename. The files
   behind both are the same inode, so that nothing but the link tells. */
static void test_a_swapped_link_on_the_way_counts(void **state)
{
    char path[PATH_MAX];
    uint64_t before;

    (void)state;
    snprintf(path, sizeof(path), "%s", fixture_path(fixture_here, "tls.crt"));
    assert_int_equal(mkdir(fixture_path(fixture_here, "..1"), 0700), 0);
    assert_int_equal(mkdir(fixture_path(fixture_here, "..2"), 0700), 0);
    fixture_write(fixture_path(fixture_here, "..1/tls.crt"), "1", 1);
    assert_int_equal(
        link(fixture_path(fixture_here, "..1/tls.crt"), fixture_path(fixture_here, "..2/tls.crt")),
        0);
    assert_int_equal(symlink("..1", fixture_path(fixture_here, "..data")), 0);
    assert_int_equal(symlink("..data/tls.crt", path), 0);
    before = file_stamp(0, path);
    assert_int_equal(file_stamp(0, path), before);
    assert_int_equal(symlink("..2", fixture_path(fixture_here, "..new")), 0);
    assert_int_equal(
        rename(fixture_path(fixture_here, "..new"), fixture_path(fixture_here, "..data")), 0);
    assert_int_not_equal(file_stamp(0, path), before);
}

static void test_links_in_circles_and_to_nowhere_have_stamps(void **state)
{
    char loop[PATH_MAX];
    char absolute[PATH_MAX];
    char target[PATH_MAX];
    uint64_t before;

    (void)state;
    snprintf(loop, sizeof(loop), "%s", fixture_path(fixture_here, "loop"));
    assert_int_equal(symlink("loop", loop), 0);
    assert_int_equal(file_stamp(0, loop), file_stamp(0, loop));
    snprintf(target, sizeof(target), "%s", fixture_path(fixture_here, "target"));
    snprintf(absolute, sizeof(absolute), "%s", fixture_path(fixture_here, "absolute"));
    assert_int_equal(symlink(target, absolute), 0);
    before = file_stamp(0, absolute);
    fixture_write(target, "1", 1);
    assert_int_not_equal(file_stamp(0, absolute), before);
}

/* Relative paths, a link at the very start of one included. */
static void test_relative_paths_are_walked_from_the_working_folder(void **state)
{
    char home[PATH_MAX];
    uint64_t before;

    (void)state;
    assert_non_null(getcwd(home, sizeof(home)));
    assert_int_equal(chdir(fixture_here), 0);
    assert_int_equal(mkdir("1", 0700), 0);
    assert_int_equal(mkdir("2", 0700), 0);
    fixture_write("1/a", "1", 1);
    assert_int_equal(link("1/a", "2/a"), 0);
    assert_int_equal(symlink("1", "now"), 0);
    before = file_stamp(0, "now/a");
    assert_int_equal(symlink("2", "next"), 0);
    assert_int_equal(rename("next", "now"), 0);
    assert_int_not_equal(file_stamp(0, "now/a"), before);
    assert_int_not_equal(file_stamp(0, "./now//a"), file_stamp(0, "now/absent"));
    assert_int_equal(chdir(home), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_stamp_stays_until_the_file_is_written_to,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_a_swapped_link_on_the_way_counts, fixture_enter_folder,
                                        fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_links_in_circles_and_to_nowhere_have_stamps,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_relative_paths_are_walked_from_the_working_folder,
                                        fixture_enter_folder, fixture_leave_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
