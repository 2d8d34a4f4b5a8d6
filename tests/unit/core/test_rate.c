/* SPDX-License-Identifier: Apache-2.0 */
/* test_rate.c - buckets over a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/rate.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define START (INT64_C(7) * 86400 * SECOND)

static void test_a_burst_then_the_rate(void **state)
{
    const struct rate rate = {.per_s = 100, .burst = 10};
    int64_t bucket = 0;
    int taken = 0;

    (void)state;
    for (int64_t now = START; now < START + 5 * SECOND; now += MS) {
        while (rate_wait_ns(&rate, bucket, 1, now) == 0) {
            bucket = rate_take(&rate, bucket, 1, now);
            taken++;
        }
        if (now == START)
            assert_int_equal(taken, 10);
    }
    assert_in_range(taken, 10 + 498, 10 + 500);
}

static void test_waiting_as_long_as_told_is_enough_and_no_less(void **state)
{
    static const struct rate rates[] = {
        {3, 1}, {1, 1}, {1000003, 50000}, {1000000000, 50000000}, {7, 7}};

    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        const struct rate *rate = &rates[i];
        int64_t bucket = rate_take(rate, 0, rate->burst, START);
        int64_t wait = rate_wait_ns(rate, bucket, 1, START);

        assert_int_equal(rate_available(rate, bucket, START), 0);
        if (wait > 1)
            assert_true(rate_wait_ns(rate, bucket, 1, START + wait - 1) > 0);
        assert_int_equal(rate_wait_ns(rate, bucket, 1, START + wait), 0);
        /* After a long rest there is no more than a burst. */
        assert_int_equal(rate_available(rate, bucket, START + 9999 * SECOND), rate->burst);
    }
}

static void test_a_debt_is_paid_first(void **state)
{
    const struct rate rate = {.per_s = 1000, .burst = 10};
    int64_t bucket = rate_take(&rate, 0, 2010, START);

    (void)state;
    assert_int_equal(rate_available(&rate, bucket, START), -2000);
    assert_int_equal(rate_available(&rate, bucket, START + SECOND), -1000);
    assert_int_equal(rate_wait_ns(&rate, bucket, 10, START), 2010 * MS);
    assert_int_equal(rate_available(&rate, bucket, START + 2010 * MS), 10);
}

static void test_what_is_returned_may_be_taken_again(void **state)
{
    const struct rate rate = {.per_s = 7, .burst = 3};
    int64_t bucket = rate_take(&rate, 0, 3, START);

    (void)state;
    assert_true(rate_wait_ns(&rate, bucket, 1, START) > 0);
    bucket = rate_return(&rate, bucket, 1);
    assert_int_equal(rate_wait_ns(&rate, bucket, 1, START), 0);
    assert_true(rate_wait_ns(&rate, bucket, 2, START) > 0);
}

static void test_a_shared_bucket_counts_the_same(void **state)
{
    const struct rate rate = {.per_s = 10, .burst = 3};
    _Atomic int64_t bucket = 0;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rate_available(&rate, bucket, START), 3 - i);
        rate_take_shared(&rate, &bucket, START);
    }
    assert_int_equal(rate_wait_ns(&rate, bucket, 1, START), 100 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_then_the_rate),
        cmocka_unit_test(test_waiting_as_long_as_told_is_enough_and_no_less),
        cmocka_unit_test(test_a_debt_is_paid_first),
        cmocka_unit_test(test_what_is_returned_may_be_taken_again),
        cmocka_unit_test(test_a_shared_bucket_counts_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
