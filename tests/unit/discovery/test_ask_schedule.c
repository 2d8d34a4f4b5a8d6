/* SPDX-License-Identifier: Apache-2.0 */
/* test_ask_schedule.c - bounds of TTLs, retries that come ever later, answers that get too old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "discovery/ask_schedule.h"

static const struct ask_rules rules = {
    .min_ttl_ms = 1000, .max_ttl_ms = 300000, .failure_retry_ms = 1000, .stale_ms = 0};

static void test_ttl_is_kept_within_its_bounds(void **state)
{
    static const struct {
        uint32_t ttl_s;
        int64_t ttl_ms;
    } cases[] = {{0, 1000},     {1, 1000},       {60, 60000},
                 {300, 300000}, {86400, 300000}, {UINT32_MAX, 300000}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (uint32_t random = 0; random < 200000; random += 777) {
            struct ask_schedule schedule = {0};

            ask_schedule_succeeded(&schedule, &rules, cases[i].ttl_s, random, 5000);
            assert_int_equal(schedule.ttl_ms, cases[i].ttl_ms);
            assert_int_equal(schedule.answered_ms, 5000);
            assert_true(schedule.due_ms >= 5000 + cases[i].ttl_ms * 9 / 10);
            assert_true(schedule.due_ms >= 5000 + rules.min_ttl_ms);
            assert_true(schedule.due_ms <= 5000 + cases[i].ttl_ms * 11 / 10);
        }
    }
}

static void test_jitter_uses_both_sides(void **state)
{
    bool is_early = false;
    bool is_late = false;

    (void)state;
    for (uint32_t random = 0; random < 20000; random++) {
        struct ask_schedule schedule = {0};

        ask_schedule_succeeded(&schedule, &rules, 60, random, 0);
        is_early |= schedule.due_ms < 55000;
        is_late |= schedule.due_ms > 65000;
    }
    assert_true(is_early && is_late);
}

static void test_failures_are_retried_ever_later(void **state)
{
    static const int64_t waits[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct ask_schedule schedule = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        ask_schedule_failed(&schedule, &rules, 0, 0);
        assert_int_equal(schedule.due_ms, waits[i] * 9 / 10);
    }
    ask_schedule_succeeded(&schedule, &rules, 10, 0, 0);
    ask_schedule_failed(&schedule, &rules, 0, 0);
    assert_int_equal(schedule.due_ms, 900);
}

static void test_long_first_retry_is_not_shortened(void **state)
{
    struct ask_rules slow = rules;
    struct ask_schedule schedule = {0};

    (void)state;
    slow.failure_retry_ms = 60000;
    for (int i = 0; i < 3; i++) {
        ask_schedule_failed(&schedule, &slow, 0, 0);
        assert_int_equal(schedule.due_ms, 54000);
    }
}

static void test_answer_expires_only_while_questions_fail(void **state)
{
    struct ask_rules strict = rules;
    struct ask_schedule schedule = {0};

    (void)state;
    strict.stale_ms = 20000;
    ask_schedule_succeeded(&schedule, &strict, 5, 0, 1000);
    assert_false(ask_schedule_expire(&schedule, &strict, 1000000));
    ask_schedule_failed(&schedule, &strict, 0, 6000);
    assert_false(ask_schedule_expire(&schedule, &strict, 20999));
    assert_int_equal(ask_schedule_next_ms(&schedule, &strict), 6900);
    schedule.due_ms = 50000;
    assert_int_equal(ask_schedule_next_ms(&schedule, &strict), 21000);
    assert_true(ask_schedule_expire(&schedule, &strict, 21000));
    assert_int_equal(schedule.answered_ms, 0);
    assert_false(ask_schedule_expire(&schedule, &strict, 99000)); /* there is none any more */
}

static void test_without_stale_an_answer_is_kept_for_ever(void **state)
{
    struct ask_schedule schedule = {0};

    (void)state;
    ask_schedule_succeeded(&schedule, &rules, 5, 0, 1000);
    ask_schedule_failed(&schedule, &rules, 0, 6000);
    assert_false(ask_schedule_expire(&schedule, &rules, INT64_MAX - 1));
}

static void test_missing_part_is_asked_for_soon_and_does_not_renew_the_answer(void **state)
{
    const struct ask_rules strict = {
        .min_ttl_ms = 1000, .max_ttl_ms = 60000, .failure_retry_ms = 2000, .stale_ms = 10000};
    struct ask_schedule schedule = {0};

    (void)state;
    ask_schedule_succeeded(&schedule, &strict, 30, 0, 1000);
    ask_schedule_succeeded_partly(&schedule, &strict, 30, 0, 31000);
    assert_int_equal(schedule.due_ms, 31000 + 1800); /* the first retry, less a tenth */
    assert_int_equal(schedule.answered_ms, 1000);
    /* Retries get rarer; what was answered is asked for as its TTL says. */
    for (int i = 0; i < 6; i++)
        ask_schedule_succeeded_partly(&schedule, &strict, 5, 0, 32000);
    assert_int_equal(schedule.due_ms, 32000 + 4500);
    assert_true(ask_schedule_expire(&schedule, &strict, 32000));
    ask_schedule_give_up_part(&schedule, 32000, false);
    assert_int_equal(schedule.answered_ms, 32000);
    assert_false(ask_schedule_expire(&schedule, &strict, 99000)); /* nothing fails */
    ask_schedule_failed(&schedule, &strict, 0, 36500);
    ask_schedule_give_up_part(&schedule, 36000, true);
    assert_true(ask_schedule_expire(&schedule, &strict, 46000));
}

static void test_hurry_keeps_a_distance(void **state)
{
    struct ask_schedule schedule = {0};

    (void)state;
    ask_schedule_asked(&schedule, 10000);
    ask_schedule_succeeded(&schedule, &rules, 300, 0, 10005);
    ask_schedule_hurry(&schedule, &rules);
    assert_int_equal(schedule.due_ms, 10000 + ASK_GAP_MS);
    schedule.due_ms = 10500; /* sooner than that by itself */
    ask_schedule_hurry(&schedule, &rules);
    assert_int_equal(schedule.due_ms, 10500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ttl_is_kept_within_its_bounds),
        cmocka_unit_test(test_jitter_uses_both_sides),
        cmocka_unit_test(test_failures_are_retried_ever_later),
        cmocka_unit_test(test_long_first_retry_is_not_shortened),
        cmocka_unit_test(test_answer_expires_only_while_questions_fail),
        cmocka_unit_test(test_without_stale_an_answer_is_kept_for_ever),
        cmocka_unit_test(test_missing_part_is_asked_for_soon_and_does_not_renew_the_answer),
        cmocka_unit_test(test_hurry_keeps_a_distance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
