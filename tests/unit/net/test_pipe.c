/* SPDX-License-Identifier: Apache-2.0 */
/* test_pipe.c - lending kernel pipes within a budget, and what happens when there are none. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/pipe.h"

#define PIPE_BYTES ((size_t)262144)

static struct {
    int errno_of_pipe2; /* 0: the call goes through */
    bool malloc_fails;
} broken;

int __real_pipe2(int fds[2], int flags);
int __wrap_pipe2(int fds[2], int flags);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

int __wrap_pipe2(int fds[2], int flags)
{
    if (broken.errno_of_pipe2 != 0) {
        errno = broken.errno_of_pipe2;
        return -1;
    }
    return __real_pipe2(fds, flags);
}

void *__wrap_malloc(size_t size)
{
    return broken.malloc_fails ? NULL : __real_malloc(size);
}

static struct pipe_budget budget_of(int limit)
{
    return (struct pipe_budget){.limit = limit, .pipe_bytes = PIPE_BYTES};
}

static int mend(void **state)
{
    memset(&broken, 0, sizeof(broken));
    return 0;
}

static void test_a_borrowed_pipe_is_empty_and_large(void **state)
{
    struct pipe_budget budget = budget_of(1);
    struct pipe_cache cache;
    struct pipe *pipe;

    pipe_cache_init(&cache, &budget);
    pipe = pipe_borrow(&cache, 0);
    assert_non_null(pipe);
    assert_int_equal(pipe->held, 0);
    assert_true(fcntl(pipe->write_fd, F_GETPIPE_SZ) >= PIPE_SMALLEST_BYTES);
    assert_true((fcntl(pipe->read_fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(pipe->write_fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(pipe->read_fd, F_GETFD) & FD_CLOEXEC) != 0);
    pipe_return(&cache, pipe);
    pipe_cache_release(&cache);
}

static void test_gauges_follow_a_pipe_out_and_back(void **state)
{
    struct pipe_budget budget = budget_of(2);
    struct pipe_cache cache;
    struct pipe *pipe;

    pipe_cache_init(&cache, &budget);
    pipe = pipe_borrow(&cache, 0);
    assert_int_equal(counter_get(&cache.lent), 1);
    assert_int_equal(counter_get(&cache.idle), 0);
    pipe_return(&cache, pipe);
    assert_int_equal(counter_get(&cache.lent), 0);
    assert_int_equal(counter_get(&cache.idle), 1);
    assert_int_equal(budget.open_pipes, 1);
    pipe_cache_release(&cache);
    assert_int_equal(counter_get(&cache.idle), 0);
    assert_int_equal(budget.open_pipes, 0);
}

static void test_an_empty_pipe_is_lent_again(void **state)
{
    struct pipe_budget budget = budget_of(2);
    struct pipe_cache cache;
    struct pipe *first;

    pipe_cache_init(&cache, &budget);
    first = pipe_borrow(&cache, 0);
    pipe_return(&cache, first);
    assert_ptr_equal(pipe_borrow(&cache, 0), first);
    assert_int_equal(budget.open_pipes, 1);
    pipe_return(&cache, first);
    pipe_cache_release(&cache);
}

static void test_a_pipe_that_still_holds_bytes_is_closed_and_never_lent_again(void **state)
{
    struct pipe_budget budget = budget_of(2);
    struct pipe_cache cache;
    struct pipe *pipe;
    char byte;

    pipe_cache_init(&cache, &budget);
    pipe = pipe_borrow(&cache, 0);
    assert_int_equal(write(pipe->write_fd, "stale", 5), 5);
    pipe->held = 5;
    pipe_return(&cache, pipe);
    assert_int_equal(budget.open_pipes, 0);
    assert_int_equal(counter_get(&cache.idle), 0);
    pipe = pipe_borrow(&cache, 0);
    assert_non_null(pipe);
    assert_int_equal(read(pipe->read_fd, &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
    pipe_return(&cache, pipe);
    pipe_cache_release(&cache);
}

static void test_the_budget_bounds_all_caches_together(void **state)
{
    struct pipe_budget budget = budget_of(2);
    struct pipe_cache caches[2];
    struct pipe *pipes[2];

    for (int i = 0; i < 2; i++) {
        pipe_cache_init(&caches[i], &budget);
        pipes[i] = pipe_borrow(&caches[i], 0);
        assert_non_null(pipes[i]);
    }
    assert_null(pipe_borrow(&caches[0], 0));
    assert_int_equal(counter_get(&caches[0].denied), 1);
    assert_int_equal(budget.open_pipes, 2);
    pipe_return(&caches[1], pipes[1]);
    pipe_cache_release(&caches[1]);
    pipes[1] = pipe_borrow(&caches[0], 0);
    assert_non_null(pipes[1]);
    pipe_return(&caches[0], pipes[0]);
    pipe_return(&caches[0], pipes[1]);
    pipe_cache_release(&caches[0]);
    assert_int_equal(budget.open_pipes, 0);
}

static void test_a_budget_of_none_never_lends(void **state)
{
    struct pipe_budget budget = budget_of(0);
    struct pipe_cache cache;

    pipe_cache_init(&cache, &budget);
    assert_null(pipe_borrow(&cache, 0));
    assert_int_equal(budget.open_pipes, 0);
    pipe_cache_release(&cache);
}

static void test_a_cache_keeps_sixteen_idle_pipes_at_most(void **state)
{
    struct pipe_budget budget = budget_of(20);
    struct pipe_cache cache;
    struct pipe *pipes[20];

    pipe_cache_init(&cache, &budget);
    for (int i = 0; i < 20; i++) {
        pipes[i] = pipe_borrow(&cache, 0);
        assert_non_null(pipes[i]);
    }
    for (int i = 0; i < 20; i++)
        pipe_return(&cache, pipes[i]);
    assert_int_equal(counter_get(&cache.idle), 16);
    assert_int_equal(budget.open_pipes, 16);
    pipe_cache_release(&cache);
}

static void test_after_the_kernel_refused_it_is_asked_again_a_while_later(void **state)
{
    struct pipe_budget budget = budget_of(4);
    struct pipe_cache cache;
    struct pipe *pipe;

    pipe_cache_init(&cache, &budget);
    broken.errno_of_pipe2 = EMFILE;
    assert_null(pipe_borrow(&cache, 1000));
    assert_int_equal(budget.open_pipes, 0);
    broken.errno_of_pipe2 = 0;
    assert_null(pipe_borrow(&cache, 1099));
    assert_int_equal(counter_get(&cache.denied), 2);
    pipe = pipe_borrow(&cache, 1100);
    assert_non_null(pipe);
    pipe_return(&cache, pipe);
    pipe_cache_release(&cache);
}

static void test_without_memory_there_is_no_pipe_and_no_place_is_lost(void **state)
{
    struct pipe_budget budget = budget_of(1);
    struct pipe_cache cache;
    struct pipe *pipe;

    pipe_cache_init(&cache, &budget);
    broken.malloc_fails = true;
    pipe = pipe_borrow(&cache, 1000);
    broken.malloc_fails = false;
    assert_null(pipe);
    assert_int_equal(budget.open_pipes, 0);
    pipe = pipe_borrow(&cache, 2000);
    assert_non_null(pipe);
    pipe_return(&cache, pipe);
    pipe_cache_release(&cache);
}

static void test_a_pipe_that_stays_tiny_is_not_lent(void **state)
{
    struct pipe_budget budget = {.limit = 1, .pipe_bytes = 4096};
    struct pipe_cache cache;

    pipe_cache_init(&cache, &budget);
    assert_null(pipe_borrow(&cache, 0));
    assert_int_equal(budget.open_pipes, 0);
    pipe_cache_release(&cache);
}

static void test_returning_nothing_is_harmless(void **state)
{
    struct pipe_budget budget = budget_of(1);
    struct pipe_cache cache;

    pipe_cache_init(&cache, &budget);
    pipe_return(&cache, NULL);
    assert_int_equal(counter_get(&cache.lent), 0);
    pipe_cache_release(&cache);
    pipe_cache_release(&cache);
}

static void test_the_budget_for_a_wish_never_exceeds_it(void **state)
{
    assert_int_equal(pipe_budget_for(0, PIPE_BYTES), 0);
    assert_true(pipe_budget_for(10, PIPE_BYTES) <= 10);
    assert_true(pipe_budget_for(-1, PIPE_BYTES) > 0);
}

static void test_the_self_test_passes_here(void **state)
{
    char why[128] = "not run";

    if (!pipe_self_test(why, sizeof(why)))
        fail_msg("%s", why);
}

static void test_the_self_test_says_what_it_lacks(void **state)
{
    char why[128] = "";

    broken.errno_of_pipe2 = EMFILE;
    assert_false(pipe_self_test(why, sizeof(why)));
    assert_non_null(strstr(why, "self-test"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_borrowed_pipe_is_empty_and_large, mend),
        cmocka_unit_test_teardown(test_gauges_follow_a_pipe_out_and_back, mend),
        cmocka_unit_test_teardown(test_an_empty_pipe_is_lent_again, mend),
        cmocka_unit_test_teardown(test_a_pipe_that_still_holds_bytes_is_closed_and_never_lent_again,
                                  mend),
        cmocka_unit_test_teardown(test_the_budget_bounds_all_caches_together, mend),
        cmocka_unit_test_teardown(test_a_budget_of_none_never_lends, mend),
        cmocka_unit_test_teardown(test_a_cache_keeps_sixteen_idle_pipes_at_most, mend),
        cmocka_unit_test_teardown(test_after_the_kernel_refused_it_is_asked_again_a_while_later,
                                  mend),
        cmocka_unit_test_teardown(test_without_memory_there_is_no_pipe_and_no_place_is_lost, mend),
        cmocka_unit_test_teardown(test_a_pipe_that_stays_tiny_is_not_lent, mend),
        cmocka_unit_test_teardown(test_returning_nothing_is_harmless, mend),
        cmocka_unit_test_teardown(test_the_budget_for_a_wish_never_exceeds_it, mend),
        cmocka_unit_test_teardown(test_the_self_test_passes_here, mend),
        cmocka_unit_test_teardown(test_the_self_test_says_what_it_lacks, mend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
