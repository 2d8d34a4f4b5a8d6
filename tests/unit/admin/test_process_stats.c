/* SPDX-License-Identifier: Apache-2.0 */
/* test_process_stats.c - numbers that must move when we do something. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/process_stats.h"

static void test_open_descriptors_are_counted_exactly(void **state)
{
    struct process_stats before, after;
    int fds[5];

    process_stats_read(&before);
    for (int i = 0; i < 5; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fds[i] >= 0);
    }
    process_stats_read(&after);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
    assert_int_equal(after.open_fds, before.open_fds + 5);
    assert_true(before.open_fds >= 3);
}

static void test_limits_and_memory_are_those_of_the_process(void **state)
{
    struct process_stats stats;
    struct rlimit limit;

    process_stats_read(&stats);
    getrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(stats.max_fds, limit.rlim_cur);
    assert_true(stats.resident_bytes > 100 * 1024);
    assert_true(stats.virtual_bytes >= stats.resident_bytes);
}

static void test_cpu_time_grows_with_work(void **state)
{
    struct process_stats before, after;
    volatile unsigned work = 0;

    process_stats_read(&before);
    do {
        for (int i = 0; i < 1000000; i++)
            work = work + 1;
        process_stats_read(&after);
    } while (after.cpu_seconds <= before.cpu_seconds && work < 2000000000U);
    assert_true(after.cpu_seconds > before.cpu_seconds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_descriptors_are_counted_exactly),
        cmocka_unit_test(test_limits_and_memory_are_those_of_the_process),
        cmocka_unit_test(test_cpu_time_grows_with_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
