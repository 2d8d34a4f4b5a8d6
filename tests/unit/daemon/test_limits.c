/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_limits.c - RLIMIT_NOFILE as the configuration asks for it. Each test runs in a child, for a
 * hard limit once lowered stays so.
 */
#include "daemon/limits.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

static struct error error;

static void set_limit(rlim_t soft, rlim_t hard)
{
    struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};

    if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
        _exit(2);
}

static rlim_t soft_limit(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == -1 ? 0 : limit.rlim_cur;
}

/* The child's exit code is the number of the claim that failed, or 0. */
static void in_child(int (*claims)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child != -1);
    if (child == 0)
        _exit(claims());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int auto_claims(void)
{
    struct process_config config = {.open_files = 0};

    set_limit(64, 500);
    if (limits_reachable_open_files(&config) != 500 || soft_limit() != 64)
        return 1;
    if (limits_raise_open_files(&config, &error) != 500 || soft_limit() != 500)
        return 3;
    return 0;
}

static void test_auto_raises_soft_to_hard(void **state)
{
    (void)state;
    in_child(auto_claims);
}

static int exact_claims(void)
{
    struct process_config config = {.open_files = 100};

    set_limit(64, 500);
    if (limits_raise_open_files(&config, &error) != 100 || soft_limit() != 100)
        return 1;
    config.open_files = 80; /* downwards, too */
    if (limits_raise_open_files(&config, &error) != 80 || soft_limit() != 80)
        return 3;
    return 0;
}

static void test_a_number_is_taken_exactly(void **state)
{
    (void)state;
    in_child(exact_claims);
}

static int out_of_reach_claims(void)
{
    struct process_config config = {.open_files = 501};

    set_limit(64, 500);
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) == -1)
        return 1;
    if (limits_raise_open_files(&config, &error) != -1 || soft_limit() != 64)
        return 3;
    if (error.exit_code != EX_CONFIG ||
        strncmp(error.text, "open_files = 501 is above the hard limit 500", 44) != 0)
        return 4;
    return 0;
}

static void test_a_number_out_of_reach_is_refused(void **state)
{
    (void)state;
    in_child(out_of_reach_claims);
}

static int presize_claims(void)
{
    set_limit(256, 256);
    limits_presize_descriptors(256);
    if (fcntl(255, F_GETFD) != -1)
        return 1;
    limits_presize_descriptors(100000); /* beyond the limit: nothing happens */
    return 0;
}

static void test_presizing_leaves_nothing_open(void **state)
{
    (void)state;
    in_child(presize_claims);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_raises_soft_to_hard),
        cmocka_unit_test(test_a_number_is_taken_exactly),
        cmocka_unit_test(test_a_number_out_of_reach_is_refused),
        cmocka_unit_test(test_presizing_leaves_nothing_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
