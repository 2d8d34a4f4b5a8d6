/* SPDX-License-Identifier: Apache-2.0 */
/* test_buffer.c - classes, caching, and the budget that all workers share. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/buffer.h"

#define THREADS 4
#define ROUNDS 20000
#define TIGHT_BYTES (3 * BUFFER_LARGEST_BYTES)

static struct buffer *borrow(struct buffer_cache *cache, size_t bytes)
{
    struct buffer *buffer = NULL;

    assert_int_equal(buffer_borrow(cache, bytes, &buffer), BUFFER_LENT);
    assert_true(buffer_capacity(buffer) >= bytes);
    assert_int_equal(buffer_held(buffer), 0);
    return buffer;
}

static void test_borrow_lends_the_smallest_class_that_fits(void **state)
{
    static const struct {
        size_t bytes;
        size_t capacity;
    } rows[] = {{0, 4096},      {1, 4096},      {4096, 4096},  {4097, 16384},
                {16384, 16384}, {16385, 65536}, {65536, 65536}};
    struct buffer_budget budget = {.limit_bytes = 1 << 20};
    struct buffer_cache cache;

    (void)state;
    buffer_cache_init(&cache, &budget);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buffer *buffer = borrow(&cache, rows[i].bytes);

        assert_int_equal(buffer_capacity(buffer), rows[i].capacity);
        memset(buffer->bytes, 0xa5, buffer_capacity(buffer));
        assert_int_equal(counter_get(&cache.lent_bytes), rows[i].capacity);
        buffer_return(&cache, buffer);
        assert_int_equal(counter_get(&cache.lent_bytes), 0);
    }
    buffer_cache_release(&cache);
    assert_int_equal(budget.used_bytes, 0);
}

static void test_returned_buffer_is_lent_again_empty(void **state)
{
    struct buffer_budget budget = {.limit_bytes = 1 << 20};
    struct buffer_cache cache;
    struct buffer *buffer;

    (void)state;
    buffer_cache_init(&cache, &budget);
    buffer = borrow(&cache, 100);
    buffer->start = 10;
    buffer->end = 90;
    assert_int_equal(buffer_held(buffer), 80);
    buffer_return(&cache, buffer);
    assert_int_equal(budget.used_bytes, 4096);
    assert_ptr_equal(borrow(&cache, 200), buffer);
    buffer_return(&cache, buffer);
    buffer_return(&cache, NULL);
    buffer_cache_release(&cache);
    assert_int_equal(budget.used_bytes, 0);
}

static void test_cache_keeps_a_bounded_number(void **state)
{
    struct buffer_budget budget = {.limit_bytes = 64 << 20};
    struct buffer_cache cache;
    struct buffer *buffers[100];

    (void)state;
    buffer_cache_init(&cache, &budget);
    for (size_t i = 0; i < ARRAY_LENGTH(buffers); i++)
        buffers[i] = borrow(&cache, BUFFER_LARGEST_BYTES);
    for (size_t i = 0; i < ARRAY_LENGTH(buffers); i++)
        buffer_return(&cache, buffers[i]);
    assert_in_range(budget.used_bytes, BUFFER_LARGEST_BYTES, 8 * BUFFER_LARGEST_BYTES);
    buffer_cache_release(&cache);
    buffer_cache_release(&cache);
    assert_int_equal(budget.used_bytes, 0);
}

static void test_budget_is_never_exceeded(void **state)
{
    struct buffer_budget budget = {.limit_bytes = 2 * 4096};
    struct buffer_cache cache;
    struct buffer *one;
    struct buffer *two;
    struct buffer *three = NULL;

    (void)state;
    buffer_cache_init(&cache, &budget);
    assert_int_equal(buffer_borrow(&cache, 4097, &three), BUFFER_AT_LIMIT);
    one = borrow(&cache, 1);
    two = borrow(&cache, 1);
    assert_int_equal(buffer_borrow(&cache, 1, &three), BUFFER_AT_LIMIT);
    assert_null(three);
    buffer_return(&cache, one);
    three = borrow(&cache, 1);
    buffer_return(&cache, two);
    buffer_return(&cache, three);
    buffer_cache_release(&cache);
    assert_int_equal(budget.used_bytes, 0);
}

static void test_own_idle_buffers_make_room_for_another_class(void **state)
{
    struct buffer_budget budget = {.limit_bytes = 65536 + 8192};
    struct buffer_cache cache;
    struct buffer *small[3];
    struct buffer *large;

    (void)state;
    buffer_cache_init(&cache, &budget);
    for (int i = 0; i < 3; i++)
        small[i] = borrow(&cache, 1);
    for (int i = 0; i < 3; i++)
        buffer_return(&cache, small[i]);
    assert_int_equal(budget.used_bytes, 3 * 4096); /* idle, but counted */
    large = borrow(&cache, 65536);
    buffer_return(&cache, large);
    buffer_cache_release(&cache);
}

static void test_idle_buffers_do_not_starve_another_worker(void **state)
{
    struct buffer_budget budget = {.limit_bytes = 4 * 65536};
    struct buffer_cache mine;
    struct buffer_cache other;
    struct buffer *buffers[4];

    (void)state;
    buffer_cache_init(&mine, &budget);
    buffer_cache_init(&other, &budget);
    for (int i = 0; i < 4; i++)
        buffers[i] = borrow(&mine, 65536);
    buffer_return(&mine, buffers[0]);
    /* Only one came back, and the budget was spent: it must be there for the other worker. */
    buffers[0] = borrow(&other, 65536);
    buffer_return(&other, buffers[0]);
    for (int i = 1; i < 4; i++)
        buffer_return(&mine, buffers[i]);
    buffer_cache_release(&mine);
    buffer_cache_release(&other);
    assert_int_equal(budget.used_bytes, 0);
}

static void test_idle_buffers_of_many_workers_leave_room_for_reads(void **state)
{
    /* As the daemon chooses it for many workers and little memory. */
    struct buffer_budget budget = {.limit_bytes = 1 << 20, .margin_bytes = 1 << 19};
    struct buffer_cache caches[8];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(caches); i++) {
        buffer_cache_init(&caches[i], &budget);
        buffer_return(&caches[i], borrow(&caches[i], BUFFER_LARGEST_BYTES));
        buffer_return(&caches[i], borrow(&caches[i], BUFFER_READ_BYTES));
    }
    assert_int_equal(counter_get(&caches[0].lent_bytes), 0);
    assert_false(buffer_is_scarce(&caches[0]));
    for (size_t i = 0; i < ARRAY_LENGTH(caches); i++)
        buffer_cache_release(&caches[i]);
    assert_int_equal(budget.used_bytes, 0);
}

static void test_release_of_a_zeroed_cache_is_harmless(void **state)
{
    struct buffer_cache cache = {0};

    (void)state;
    buffer_cache_release(&cache);
}

struct contest {
    struct buffer_budget *budget;
    unsigned lent;
    unsigned refused;
    unsigned over;
};

static void *borrow_and_return(void *argument)
{
    struct contest *contest = argument;
    struct buffer_cache cache;

    buffer_cache_init(&cache, contest->budget);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct buffer *buffer;

        if (buffer_borrow(&cache, (i * 7919) % (BUFFER_LARGEST_BYTES + 1), &buffer) !=
            BUFFER_LENT) {
            contest->refused++;
            continue;
        }
        contest->lent++;
        contest->over += contest->budget->used_bytes > contest->budget->limit_bytes;
        buffer_return(&cache, buffer);
    }
    buffer_cache_release(&cache);
    return NULL;
}

static void test_workers_share_the_budget(void **state)
{
    struct buffer_budget budget = {.limit_bytes = TIGHT_BYTES};
    struct contest contests[THREADS] = {0};
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        contests[i].budget = &budget;
        assert_int_equal(pthread_create(&threads[i], NULL, borrow_and_return, &contests[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(contests[i].over, 0);
        assert_true(contests[i].lent > 0);
        assert_int_equal(contests[i].lent + contests[i].refused, ROUNDS);
    }
    assert_int_equal(budget.used_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_borrow_lends_the_smallest_class_that_fits),
        cmocka_unit_test(test_returned_buffer_is_lent_again_empty),
        cmocka_unit_test(test_cache_keeps_a_bounded_number),
        cmocka_unit_test(test_budget_is_never_exceeded),
        cmocka_unit_test(test_own_idle_buffers_make_room_for_another_class),
        cmocka_unit_test(test_idle_buffers_do_not_starve_another_worker),
        cmocka_unit_test(test_idle_buffers_of_many_workers_leave_room_for_reads),
        cmocka_unit_test(test_release_of_a_zeroed_cache_is_harmless),
        cmocka_unit_test(test_workers_share_the_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
