/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_drain.c - the plan of a gentle stop, against a clock of our own.
 */
#include "daemon/drain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct drain begun(int64_t delay_ms, int64_t timeout_ms)
{
    struct drain drain = {.state = DRAIN_NONE};

    drain_begin(&drain, 1000, delay_ms, timeout_ms);
    return drain;
}

static void test_nothing_is_due_before_it_begins(void **state)
{
    struct drain drain = {.state = DRAIN_NONE};

    (void)state;
    assert_int_equal(drain_next(&drain, 1000, 0), DRAIN_WAIT);
}

static void test_it_ends_when_the_last_session_does(void **state)
{
    struct drain drain = begun(0, 10000);

    (void)state;
    assert_int_equal(drain_next(&drain, 1000, 2), DRAIN_STOP_ACCEPTING);
    assert_int_equal(drain_next(&drain, 1050, 2), DRAIN_WAIT);
    assert_int_equal(drain_next(&drain, 10999, 1), DRAIN_WAIT);
    assert_int_equal(drain_next(&drain, 10999, 0), DRAIN_END);
    assert_int_equal(drain_next(&drain, 11000, 0), DRAIN_WAIT);
}

static void test_what_is_left_at_the_deadline_is_cut_in_steps(void **state)
{
    struct drain drain = begun(0, 10000);

    (void)state;
    assert_int_equal(drain_next(&drain, 1000, 6000), DRAIN_STOP_ACCEPTING);
    assert_int_equal(drain_next(&drain, 11000, 6000), DRAIN_CUT);
    assert_int_equal(drain_next(&drain, 11050, 3500), DRAIN_CUT);
    assert_int_equal(drain_next(&drain, 11100, 1000), DRAIN_CUT);
    assert_int_equal(drain_next(&drain, 11150, 0), DRAIN_END);
}

static void test_cutting_that_ends_nobody_is_given_up(void **state)
{
    struct drain drain = begun(0, 10000);

    (void)state;
    assert_int_equal(drain_next(&drain, 1000, 10), DRAIN_STOP_ACCEPTING);
    assert_int_equal(drain_next(&drain, 11000, 10), DRAIN_CUT);
    assert_int_equal(drain_next(&drain, 15999, 10), DRAIN_CUT);
    assert_int_equal(drain_next(&drain, 15999, 9), DRAIN_CUT);
    assert_int_equal(drain_next(&drain, 20998, 9), DRAIN_CUT);
    assert_int_equal(drain_next(&drain, 20999, 9), DRAIN_END);
    assert_int_equal(drain_next(&drain, 21049, 9), DRAIN_WAIT);
}

static void test_the_delay_keeps_accepting_even_without_sessions(void **state)
{
    struct drain drain = begun(3000, 10000);

    (void)state;
    assert_int_equal(drain_next(&drain, 1000, 0), DRAIN_WAIT);
    assert_int_equal(drain_next(&drain, 3999, 0), DRAIN_WAIT);
    assert_int_equal(drain_next(&drain, 4000, 1), DRAIN_STOP_ACCEPTING);
    assert_int_equal(drain_next(&drain, 10999, 1), DRAIN_WAIT); /* counted from the beginning */
    assert_int_equal(drain_next(&drain, 11000, 1), DRAIN_CUT);
}

static void test_a_timeout_shorter_than_the_delay_waits_for_the_delay(void **state)
{
    struct drain drain = begun(3000, 1000);

    (void)state;
    assert_int_equal(drain_next(&drain, 2500, 1), DRAIN_WAIT);
    assert_int_equal(drain_next(&drain, 4000, 1), DRAIN_STOP_ACCEPTING);
    assert_int_equal(drain_next(&drain, 4050, 1), DRAIN_CUT);
}

static void test_without_a_timeout_nothing_is_cut(void **state)
{
    struct drain drain = begun(0, 0);

    (void)state;
    assert_int_equal(drain_next(&drain, 1000, 1), DRAIN_STOP_ACCEPTING);
    assert_int_equal(drain_next(&drain, INT64_MAX / 2, 1), DRAIN_WAIT);
    assert_int_equal(drain_next(&drain, INT64_MAX / 2, 0), DRAIN_END);
}

static void test_the_pace_is_fifty_thousand_a_second(void **state)
{
    (void)state;
    assert_in_range(DRAIN_CUT_PER_TICK * (1000 / DRAIN_TICK_MS), 1, 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_due_before_it_begins),
        cmocka_unit_test(test_it_ends_when_the_last_session_does),
        cmocka_unit_test(test_what_is_left_at_the_deadline_is_cut_in_steps),
        cmocka_unit_test(test_cutting_that_ends_nobody_is_given_up),
        cmocka_unit_test(test_the_delay_keeps_accepting_even_without_sessions),
        cmocka_unit_test(test_a_timeout_shorter_than_the_delay_waits_for_the_delay),
        cmocka_unit_test(test_without_a_timeout_nothing_is_cut),
        cmocka_unit_test(test_the_pace_is_fifty_thousand_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
