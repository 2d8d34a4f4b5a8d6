/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_health_rules.c - rise, fall, pauses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base.h"
#include "health/health_rules.h"

static const struct health_timing timing = {
    .interval_ms = 2000,
    .fast_interval_ms = 500,
    .down_interval_ms = 10000,
    .timeout_ms = 1000,
    .rise = 2,
    .fall = 3,
};

static struct health_rules fresh(const struct health_timing *with)
{
    struct health_rules rules;

    health_rules_init(&rules, with);
    return rules;
}

static void test_fall_failed_checks_in_a_row_take_a_server_down(void **state)
{
    struct health_rules rules = fresh(&timing);

    (void)state;
    assert_int_equal(health_rules_note(&rules, &timing, false), HEALTH_SAME);
    assert_int_equal(health_rules_note(&rules, &timing, false), HEALTH_SAME);
    assert_true(rules.is_up);
    assert_int_equal(health_rules_note(&rules, &timing, false), HEALTH_WENT_DOWN);
    assert_false(rules.is_up);
    assert_int_equal(health_rules_note(&rules, &timing, false), HEALTH_SAME);
}

static void test_one_good_check_forgets_the_failed_ones(void **state)
{
    struct health_rules rules = fresh(&timing);

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(health_rules_note(&rules, &timing, false), HEALTH_SAME);
        assert_int_equal(health_rules_note(&rules, &timing, false), HEALTH_SAME);
        assert_int_equal(health_rules_note(&rules, &timing, true), HEALTH_SAME);
    }
    assert_true(rules.is_up);
}

static void test_rise_good_checks_in_a_row_bring_it_up(void **state)
{
    struct health_rules rules = fresh(&timing);

    (void)state;
    for (int i = 0; i < timing.fall; i++)
        health_rules_note(&rules, &timing, false);
    assert_int_equal(health_rules_note(&rules, &timing, true), HEALTH_SAME);
    assert_int_equal(health_rules_note(&rules, &timing, false), HEALTH_SAME);
    assert_int_equal(health_rules_note(&rules, &timing, true), HEALTH_SAME);
    assert_false(rules.is_up);
    assert_int_equal(health_rules_note(&rules, &timing, true), HEALTH_WENT_UP);
    assert_true(rules.is_up);
}

static void test_a_server_that_starts_down_needs_one_good_check(void **state)
{
    struct health_timing down = timing;

    (void)state;
    down.starts_down = true;
    struct health_rules rules = fresh(&down);
    assert_false(rules.is_up);
    assert_int_equal(health_rules_note(&rules, &down, true), HEALTH_WENT_UP);

    /* Only the first time. */
    rules = fresh(&down);
    assert_int_equal(health_rules_note(&rules, &down, false), HEALTH_SAME);
    assert_int_equal(health_rules_note(&rules, &down, true), HEALTH_SAME);
    assert_int_equal(health_rules_note(&rules, &down, true), HEALTH_WENT_UP);
}

static void test_rise_good_checks_end_an_ejection(void **state)
{
    struct health_rules rules = fresh(&timing);

    (void)state;
    /* Those before the ejection do not count. */
    for (int i = 0; i < 10; i++)
        assert_false(health_rules_end_ejection(&rules, &timing, false, true));
    assert_false(health_rules_end_ejection(&rules, &timing, true, true));
    assert_false(health_rules_end_ejection(&rules, &timing, true, false));
    assert_false(health_rules_end_ejection(&rules, &timing, true, true));
    assert_true(health_rules_end_ejection(&rules, &timing, true, true));
    assert_false(health_rules_end_ejection(&rules, &timing, true, true));
}

static void test_pauses_follow_the_state(void **state)
{
    struct health_rules rules = fresh(&timing);

    (void)state;
    assert_int_equal(health_rules_pause_ms(&rules, &timing, 7), 2000);
    health_rules_note(&rules, &timing, false);
    assert_int_equal(health_rules_pause_ms(&rules, &timing, 7), 500);
    health_rules_note(&rules, &timing, false);
    health_rules_note(&rules, &timing, false);
    assert_int_equal(health_rules_pause_ms(&rules, &timing, 7), 10000);
    health_rules_note(&rules, &timing, true);
    assert_int_equal(health_rules_pause_ms(&rules, &timing, 7), 500);
}

static void test_jitter_stays_within_its_share_and_uses_all_of_it(void **state)
{
    struct health_timing loose = timing;
    struct health_rules rules = fresh(&timing);
    int64_t least = INT64_MAX;
    int64_t most = 0;

    (void)state;
    loose.jitter_percent = 10;
    for (uint64_t random = 0; random < 5000; random++) {
        int64_t pause = health_rules_pause_ms(&rules, &loose, random);

        least = pause < least ? pause : least;
        most = pause > most ? pause : most;
    }
    assert_int_equal(least, 1800);
    assert_int_equal(most, 2200);
}

static void test_a_pause_is_never_nothing_and_never_overflows(void **state)
{
    struct health_timing odd = {.interval_ms = 1,
                                .fast_interval_ms = 1,
                                .down_interval_ms = 1,
                                .rise = 1,
                                .fall = 1,
                                .jitter_percent = 100};
    struct health_rules rules = fresh(&odd);

    (void)state;
    for (uint64_t random = 0; random < 1000; random++)
        assert_true(health_rules_pause_ms(&rules, &odd, random) >= 1);
    odd.interval_ms = INT64_C(3650) * 86400 * 1000;
    assert_true(health_rules_pause_ms(&rules, &odd, UINT64_MAX) <= 2 * odd.interval_ms);
    assert_true(health_rules_pause_ms(&rules, &odd, UINT64_MAX) >= 1);
}

static void test_first_checks_are_spread_over_an_interval(void **state)
{
    struct health_timing quick = timing;
    int64_t most = 0;

    (void)state;
    for (uint64_t random = 0; random < 5000; random++) {
        int64_t first = health_rules_first_ms(&timing, random);

        assert_in_range(first, 0, timing.interval_ms - 1);
        most = first > most ? first : most;
    }
    assert_int_equal(most, timing.interval_ms - 1);
    quick.interval_ms = 60000;
    assert_true(health_rules_first_ms(&quick, UINT64_MAX) < 2000);
    quick.starts_down = true;
    assert_true(health_rules_first_ms(&quick, UINT64_MAX) < 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fall_failed_checks_in_a_row_take_a_server_down),
        cmocka_unit_test(test_one_good_check_forgets_the_failed_ones),
        cmocka_unit_test(test_rise_good_checks_in_a_row_bring_it_up),
        cmocka_unit_test(test_a_server_that_starts_down_needs_one_good_check),
        cmocka_unit_test(test_rise_good_checks_end_an_ejection),
        cmocka_unit_test(test_pauses_follow_the_state),
        cmocka_unit_test(test_jitter_stays_within_its_share_and_uses_all_of_it),
        cmocka_unit_test(test_a_pause_is_never_nothing_and_never_overflows),
        cmocka_unit_test(test_first_checks_are_spread_over_an_interval),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
