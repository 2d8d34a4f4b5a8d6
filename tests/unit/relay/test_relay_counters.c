/* SPDX-License-Identifier: Apache-2.0 */
/* test_relay_counters.c - shards in the snapshot's sizes, and the bucket a time falls into. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "relay/relay_counters.h"

static void test_relay_counters_are_zero_and_as_many_as_the_snapshot_has(void **state)
{
    struct snapshot snapshot = {.listener_count = 2, .pool_count = 3, .tally_count = 4};
    struct relay_counters counters;

    assert_true(relay_counters_init(&counters, &snapshot));
    counter_add(&counters.tallies[3].closed[CLOSE_REASON_COUNT - 1], 7);
    assert_int_equal(counter_get(&counters.tallies[3].closed[CLOSE_REASON_COUNT - 1]), 7);
    assert_int_equal(counter_get(&counters.listeners[1].sessions[PHASE_RELAY]), 0);
    assert_int_equal(counter_get(&counters.pools[2].retries), 0);
    relay_counters_release(&counters);
    relay_counters_release(&counters);
}

static void test_relay_counters_start_on_a_cache_line(void **state)
{
    struct snapshot snapshot = {.listener_count = 1};
    struct relay_counters counters;

    assert_true(relay_counters_init(&counters, &snapshot));
    assert_int_equal((uintptr_t)counters.listeners % CACHE_LINE_BYTES, 0);
    assert_int_equal((uintptr_t)counters.pools % CACHE_LINE_BYTES, 0);
    assert_int_equal((uintptr_t)counters.tallies % CACHE_LINE_BYTES, 0);
    relay_counters_release(&counters);
}

static void test_latency_bucket_bounds_are_inclusive_and_rise(void **state)
{
    for (int i = 0; i < LATENCY_BUCKETS; i++) {
        struct latency_histogram histogram;

        if (i > 0)
            assert_true(latency_bucket_us[i] > latency_bucket_us[i - 1]);
        memset(&histogram, 0, sizeof(histogram));
        latency_observe(&histogram, latency_bucket_us[i]);
        latency_observe(&histogram, latency_bucket_us[i] + 1);
        assert_int_equal(counter_get(&histogram.bucket[i]), 1);
        assert_int_equal(counter_get(&histogram.bucket[i + 1]), 1);
        assert_int_equal(counter_get(&histogram.sum_us), 2 * latency_bucket_us[i] + 1);
    }
}

static void test_duration_bucket_bounds_are_inclusive_and_rise(void **state)
{
    for (int i = 0; i < DURATION_BUCKETS; i++) {
        struct duration_histogram histogram;

        if (i > 0)
            assert_true(duration_bucket_us[i] > duration_bucket_us[i - 1]);
        memset(&histogram, 0, sizeof(histogram));
        duration_observe(&histogram, duration_bucket_us[i]);
        duration_observe(&histogram, duration_bucket_us[i] + 1);
        assert_int_equal(counter_get(&histogram.bucket[i]), 1);
        assert_int_equal(counter_get(&histogram.bucket[i + 1]), 1);
    }
}

static void test_negative_times_count_as_zero(void **state)
{
    struct latency_histogram latency;
    struct duration_histogram duration;

    memset(&latency, 0, sizeof(latency));
    memset(&duration, 0, sizeof(duration));
    latency_observe(&latency, -5);
    duration_observe(&duration, -5);
    assert_int_equal(counter_get(&latency.bucket[0]), 1);
    assert_int_equal(counter_get(&latency.sum_us), 0);
    assert_int_equal(counter_get(&duration.bucket[0]), 1);
    assert_int_equal(counter_get(&duration.sum_us), 0);
}

static void test_connect_results_have_the_words_of_the_metric(void **state)
{
    assert_string_equal(connect_result_word(CONNECT_OK), "ok");
    assert_string_equal(connect_result_word(CONNECT_REFUSED), "refused");
    assert_string_equal(connect_result_word(CONNECT_TIMED_OUT), "timeout");
    assert_string_equal(connect_result_word(CONNECT_UNREACHABLE), "unreachable");
    assert_string_equal(connect_result_word(CONNECT_RESET), "reset");
    assert_string_equal(connect_result_word(CONNECT_PORTS_EXHAUSTED), "ports_exhausted");
}

static void test_shards_add_up_field_by_field(void **state)
{
    struct snapshot snapshot = {.listener_count = 2, .pool_count = 1, .tally_count = 2};
    struct relay_counters sum, shards[2];

    assert_true(relay_counters_init(&sum, &snapshot));
    for (unsigned i = 0; i < 2; i++) {
        assert_true(relay_counters_init(&shards[i], &snapshot));
        counter_add(&shards[i].listeners[1].accepted, 3);
        duration_observe(&shards[i].listeners[1].duration, 1);
        counter_add(&shards[i].pools[0].retries, 4);
        counter_add(&shards[i].tallies[1].download_bytes, 6);
        counter_add(&shards[i].copied_bytes, 7);
        counter_add(&shards[i].spliced_bytes, 8);
        counter_add(&shards[i].wakeups, 9);
        counter_add(&shards[i].buffer_waits, 10);
        relay_counters_add_ends(&sum, &shards[i], &snapshot);
        relay_counters_add_rest(&sum, &shards[i], &snapshot);
    }
    assert_int_equal(counter_get(&sum.listeners[0].accepted), 0);
    assert_int_equal(counter_get(&sum.listeners[1].accepted), 6);
    assert_int_equal(counter_get(&sum.listeners[1].duration.bucket[0]), 2);
    assert_int_equal(counter_get(&sum.listeners[1].duration.sum_us), 2);
    assert_int_equal(counter_get(&sum.pools[0].retries), 8);
    assert_int_equal(counter_get(&sum.tallies[1].download_bytes), 12);
    assert_int_equal(counter_get(&sum.copied_bytes), 14);
    assert_int_equal(counter_get(&sum.spliced_bytes), 16);
    assert_int_equal(counter_get(&sum.wakeups), 18);
    assert_int_equal(counter_get(&sum.buffer_waits), 20);
    relay_counters_release(&sum);
    relay_counters_release(&shards[0]);
    relay_counters_release(&shards[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relay_counters_are_zero_and_as_many_as_the_snapshot_has),
        cmocka_unit_test(test_relay_counters_start_on_a_cache_line),
        cmocka_unit_test(test_shards_add_up_field_by_field),
        cmocka_unit_test(test_latency_bucket_bounds_are_inclusive_and_rise),
        cmocka_unit_test(test_duration_bucket_bounds_are_inclusive_and_rise),
        cmocka_unit_test(test_negative_times_count_as_zero),
        cmocka_unit_test(test_connect_results_have_the_words_of_the_metric),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
