/* SPDX-License-Identifier: Apache-2.0 */
/* test_clock.c - units and agreement of the three clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "core/clock.h"

/* The coarse clocks step with the kernel's tick: 10 ms at most. */
#define TICK_MS 10

static void test_monotonic_clocks_agree_and_never_go_back(void **state)
{
    int64_t last_ms = clock_now_ms();
    int64_t last_us = clock_now_us();

    (void)state;
    for (int i = 0; i < 10000; i++) {
        int64_t ms = clock_now_ms();
        int64_t us = clock_now_us();

        assert_true(ms >= last_ms);
        assert_true(us >= last_us);
        assert_true(ms <= us / 1000);
        last_ms = ms;
        last_us = us;
    }
}

static void test_monotonic_clocks_count_their_units(void **state)
{
    int64_t from_us = clock_now_us(); /* first and last: wherever the test is held up meanwhile */
    int64_t from_ms = clock_now_ms();
    const struct timespec pause = {.tv_nsec = 50 * 1000000};
    int64_t ms;
    int64_t us;

    (void)state;
    nanosleep(&pause, NULL);
    ms = clock_now_ms() - from_ms;
    us = clock_now_us() - from_us;
    assert_true(us >= 50000 && us < 5000000);
    assert_true(ms >= 50 - TICK_MS && ms <= us / 1000 + TICK_MS);
}

static void test_wall_clock_is_the_time_of_day(void **state)
{
    int64_t before = (int64_t)time(NULL) - 1;
    int64_t wall_us = clock_wall_us();
    int64_t after = (int64_t)time(NULL) + 1;

    (void)state;
    assert_true(wall_us >= before * 1000000 && wall_us <= after * 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monotonic_clocks_agree_and_never_go_back),
        cmocka_unit_test(test_monotonic_clocks_count_their_units),
        cmocka_unit_test(test_wall_clock_is_the_time_of_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
