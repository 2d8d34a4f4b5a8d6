/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_descriptor_reserve.c - numbers given up and taken again.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/resource.h>
#include <unistd.h>

#include "health/descriptor_reserve.h"

static void test_a_number_is_free_once_it_is_given_up(void **state)
{
    struct descriptor_reserve reserve;
    struct rlimit before;
    struct rlimit full;
    int fd;

    (void)state;
    descriptor_reserve_init(&reserve);
    assert_int_equal(reserve.count, DESCRIPTOR_RESERVE_COUNT);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    full = before;
    full.rlim_cur = (rlim_t)reserve.fds[DESCRIPTOR_RESERVE_COUNT - 1] + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);

    assert_int_equal(open("/dev/null", O_RDONLY | O_CLOEXEC), -1);
    assert_int_equal(errno, EMFILE);
    assert_true(descriptor_reserve_give(&reserve));
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_not_equal(fd, -1);
    descriptor_reserve_fill(&reserve);
    assert_int_equal(reserve.count, DESCRIPTOR_RESERVE_COUNT - 1);
    close(fd);
    descriptor_reserve_fill(&reserve);
    assert_int_equal(reserve.count, DESCRIPTOR_RESERVE_COUNT);

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    descriptor_reserve_release(&reserve);
    assert_false(descriptor_reserve_give(&reserve));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_number_is_free_once_it_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
