/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_histogram.c - percentiles against those of the sorted values.
 */
#include "histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void test_histogram_is_zero_while_empty(void **state)
{
    static const struct histogram histogram;
    (void)state;
    assert_int_equal(histogram_percentile(&histogram, 0.99), 0);
}

static void test_histogram_percentiles_are_within_one_percent(void **state)
{
    enum { VALUES = 10000 };
    static struct histogram histogram;
    static uint64_t values[VALUES];
    static const double shares[] = {0.0001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
    uint64_t random = 88172645463325252u;
    (void)state;
    for (unsigned i = 0; i < VALUES; i++) { /* xorshift; all magnitudes up to 2^39 */
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        values[i] = (random >> 25) >> (i % 39);
        histogram_record(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof values[0], compare);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        uint64_t exact = values[(size_t)(shares[i] * VALUES + 0.5) - 1];
        uint64_t told = histogram_percentile(&histogram, shares[i]);
        assert_true(told >= exact);
        assert_true(told <= exact + exact / 100);
    }
    assert_int_equal(histogram.max_ns, values[VALUES - 1]);
}

static void test_histogram_tells_the_longest_as_it_was(void **state)
{
    static struct histogram histogram;
    (void)state;
    histogram_record(&histogram, UINT64_MAX); /* beyond the buckets */
    histogram_record(&histogram, 1000003);
    assert_int_equal(histogram_percentile(&histogram, 0.5) / 10000, 100);
    assert_true(histogram.max_ns == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram_is_zero_while_empty),
        cmocka_unit_test(test_histogram_percentiles_are_within_one_percent),
        cmocka_unit_test(test_histogram_tells_the_longest_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
