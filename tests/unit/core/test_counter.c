/* SPDX-License-Identifier: Apache-2.0 */
/* test_counter.c - one writer, and a reader that never sees a number go back. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/counter.h"

/* Crosses 32 bits in each step, so that a torn read would show. */
#define STEP UINT64_C(0x100000001)
#define STEPS 200000

static void test_counts_up_and_down(void **state)
{
    struct counter counter = {0};

    (void)state;
    counter_add(&counter, 5);
    counter_add(&counter, UINT64_C(1) << 40);
    counter_subtract(&counter, 3);
    assert_int_equal(counter_get(&counter), (UINT64_C(1) << 40) + 2);
}

static void *count(void *argument)
{
    for (int i = 0; i < STEPS; i++)
        counter_add(argument, STEP);
    return NULL;
}

static void test_reader_sees_whole_numbers_only(void **state)
{
    struct counter counter = {0};
    pthread_t writer;
    uint64_t last = 0;
    bool is_whole = true;

    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, count, &counter), 0);
    while (last < STEP * STEPS && is_whole) {
        uint64_t now = counter_get(&counter);

        is_whole = now >= last && now >> 32 == (now & UINT32_MAX);
        last = now;
    }
    pthread_join(writer, NULL);
    assert_true(is_whole);
    assert_int_equal(counter_get(&counter), STEP * STEPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_up_and_down),
        cmocka_unit_test(test_reader_sees_whole_numbers_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
