/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_privileges.c - who one becomes, and that there is no way back. Skips what needs root when
 * not run as root.
 */
#include "daemon/privileges.h"

#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

static struct error error;

static void need_root(void)
{
    if (geteuid() != 0)
        skip();
}

static void test_nothing_asked_for_is_nothing_done(void **state)
{
    struct identity identity;

    (void)state;
    assert_true(privileges_look_up(&identity, NULL, "", &error));
    assert_false(identity.changes_user || identity.changes_group);
    assert_true(privileges_drop(&identity, &error));
}

static void test_names_and_numbers_are_looked_up(void **state)
{
    struct identity identity;

    (void)state;
    need_root();
    assert_true(privileges_look_up(&identity, "nobody", NULL, &error));
    assert_int_equal(identity.uid, 65534);
    assert_int_equal(identity.gid, 65534);
    assert_true(privileges_look_up(&identity, "12345", "daemon", &error));
    assert_int_equal(identity.uid, 12345);
    assert_int_equal(identity.gid, 1);
    assert_true(privileges_look_up(&identity, NULL, "54321", &error));
    assert_false(identity.changes_user);
    assert_int_equal(identity.gid, 54321);
    assert_false(privileges_look_up(&identity, "no-such-user", NULL, &error));
    assert_string_equal(error.text, "user 'no-such-user' does not exist");
    assert_int_equal(error.exit_code, EX_CONFIG);
    assert_false(privileges_look_up(&identity, NULL, "no-such-group", &error));
    assert_false(privileges_look_up(&identity, "-1", NULL, &error));
}

static void test_a_file_is_given_away_and_a_link_is_not_followed(void **state)
{
    const struct identity nobody = {
        .changes_user = true, .changes_group = true, .uid = 65534, .gid = 65533};
    char folder[] = "/tmp/culvert-privileges-XXXXXX";
    char file[64];
    char link[64];
    struct stat status;

    (void)state;
    need_root();
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/file", folder);
    snprintf(link, sizeof(link), "%s/link", folder);
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(symlink(file, link), 0);
    assert_true(privileges_give_file(&nobody, link, true, &error));
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_uid, 0);
    assert_true(privileges_give_file(&nobody, file, false, &error));
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_uid, 65534);
    assert_int_equal(status.st_gid, getegid());
    assert_true(privileges_give_file(&nobody, file, true, &error));
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_gid, 65533);
    unlink(link);
    unlink(file);
    assert_false(privileges_give_file(&nobody, file, true, &error));
    assert_int_equal(error.exit_code, EX_NOPERM);
    rmdir(folder);
}

/* The number of the first claim that does not hold, or 0. */
static int claims_after_drop(void)
{
    struct identity identity;
    uid_t real;
    uid_t effective;
    uid_t saved;

    if (!privileges_look_up(&identity, "nobody", NULL, &error) ||
        !privileges_drop(&identity, &error))
        return 1;
    if (getresuid(&real, &effective, &saved) == -1 || real != 65534 || effective != 65534 ||
        saved != 65534)
        return 2;
    if (getgroups(0, NULL) != 1 || getegid() != 65534)
        return 3;
    if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
        return 4;
    if (privileges_look_up(&identity, "nobody", NULL, &error) || error.exit_code != EX_NOPERM)
        return 5; /* not root any more: refused */
    return 0;
}

static void test_a_drop_is_whole_and_for_good(void **state)
{
    pid_t child;
    int status;

    (void)state;
    need_root();
    child = fork();
    assert_true(child != -1);
    if (child == 0)
        _exit(claims_after_drop());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_asked_for_is_nothing_done),
        cmocka_unit_test(test_names_and_numbers_are_looked_up),
        cmocka_unit_test(test_a_file_is_given_away_and_a_link_is_not_followed),
        cmocka_unit_test(test_a_drop_is_whole_and_for_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
