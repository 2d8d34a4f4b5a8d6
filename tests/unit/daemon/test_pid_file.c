/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pid_file.c - a pid file is created, replaced when stale, refused when live, never followed.
 */
#include "daemon/pid_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/culvert-pid-XXXXXX";
static char path[64];
static struct error error;

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *contents(const char *name)
{
    static char bytes[64];
    FILE *file = fopen(name, "r");

    assert_non_null(file);
    bytes[fread(bytes, 1, sizeof(bytes) - 1, file)] = '\0';
    fclose(file);
    return bytes;
}

static void test_it_is_empty_until_published_and_gone_at_the_end(void **state)
{
    struct pid_file file;
    char number[16];

    (void)state;
    assert_true(pid_file_create(&file, path, &error));
    assert_string_equal(contents(path), "");
    assert_true(pid_file_publish(&file, &error));
    snprintf(number, sizeof(number), "%d\n", (int)getpid());
    assert_string_equal(contents(path), number);
    pid_file_remove(&file);
    assert_int_equal(access(path, F_OK), -1);
    pid_file_remove(&file); /* may run twice */
}

static void test_no_path_is_no_file(void **state)
{
    struct pid_file file;

    (void)state;
    assert_true(pid_file_create(&file, NULL, &error));
    assert_true(pid_file_publish(&file, &error));
    pid_file_remove(&file);
}

/* Even when its number belongs to a living process by now: here, to this very one. */
static void test_a_stale_one_is_replaced(void **state)
{
    struct pid_file file;
    char number[16];

    (void)state;
    snprintf(number, sizeof(number), "%d\n", (int)getppid());
    write_file(path, number);
    assert_true(pid_file_create(&file, path, &error));
    assert_true(pid_file_publish(&file, &error));
    assert_string_not_equal(contents(path), number);
    pid_file_remove(&file);
}

static void test_a_live_one_is_refused_and_left_alone(void **state)
{
    struct pid_file first;
    struct pid_file second;
    char expected[160];

    (void)state;
    assert_true(pid_file_create(&first, path, &error));
    assert_true(pid_file_publish(&first, &error));
    assert_false(pid_file_create(&second, path, &error));
    snprintf(expected, sizeof(expected), "another culvert runs with the pid file %s: process %d",
             path, (int)getpid());
    assert_string_equal(error.text, expected);
    assert_int_equal(error.exit_code, EX_UNAVAILABLE);
    pid_file_remove(&second);
    assert_int_equal(access(path, F_OK), 0);
    pid_file_remove(&first);
}

static void test_a_link_is_never_followed(void **state)
{
    struct pid_file file;
    char target[64];

    (void)state;
    snprintf(target, sizeof(target), "%s/target", folder);
    write_file(target, "precious");
    assert_int_equal(symlink(target, path), 0);
    assert_false(pid_file_create(&file, path, &error));
    assert_string_equal(contents(target), "precious");
    unlink(path);
    unlink(target);
    assert_int_equal(symlink(target, path), 0); /* a dangling one */
    assert_false(pid_file_create(&file, path, &error));
    assert_int_equal(access(target, F_OK), -1);
    unlink(path);
}

static void test_other_kinds_of_files_are_refused(void **state)
{
    struct pid_file file;

    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(pid_file_create(&file, path, &error));
    assert_int_equal(error.exit_code, EX_CONFIG);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(pid_file_create(&file, path, &error));
    rmdir(path);
    assert_false(pid_file_create(&file, "/nonexistent/culvert.pid", &error));
    assert_non_null(strstr(error.text, "/nonexistent/culvert.pid: No such file or directory"));
}

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/pid", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_empty_until_published_and_gone_at_the_end),
        cmocka_unit_test(test_no_path_is_no_file),
        cmocka_unit_test(test_a_stale_one_is_replaced),
        cmocka_unit_test(test_a_live_one_is_refused_and_left_alone),
        cmocka_unit_test(test_a_link_is_never_followed),
        cmocka_unit_test(test_other_kinds_of_files_are_refused),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
