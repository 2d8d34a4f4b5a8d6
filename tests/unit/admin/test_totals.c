/* SPDX-License-Identifier: Apache-2.0 */
/* test_totals.c - what two workers counted is one sum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

#include "admin/fake_process.h"
#include "admin/totals.h"

static void test_totals_add_all_workers(void **state)
{
    struct fake_process process;
    struct totals totals;

    fake_process_init(&process);
    for (unsigned i = 0; i < 2; i++) {
        struct worker *worker = &process.workers[i];

        counter_add(&worker->counters.listeners[1].accepted, 10 + i);
        worker->gauges = (struct worker_gauges){.pipes_lent = 1,
                                                .pipes_idle = 2,
                                                .pipes_denied = 3,
                                                .buffer_bytes = 4,
                                                .accept_errors = {5, 6, 7, 8},
                                                .accept_errors_other = 9,
                                                .loop_beat_ms = 1000 - i};
    }
    assert_true(totals_init(&totals, &process.view));
    assert_int_equal(counter_get(&totals.counters.listeners[1].accepted), 21);
    assert_int_equal(totals.gauges.pipes_lent, 2);
    assert_int_equal(totals.gauges.pipes_idle, 4);
    assert_int_equal(totals.gauges.pipes_denied, 6);
    assert_int_equal(totals.gauges.buffer_bytes, 8);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(totals.gauges.accept_errors[i], 2 * (5 + i));
    assert_int_equal(totals.gauges.accept_errors_other, 18);
    assert_int_equal(totals.gauges.loop_beat_ms, 999);
    totals_release(&totals);
    fake_process_end(&process);
}

static void test_listener_totals_add_its_tallies_only(void **state)
{
    struct fake_process process;
    struct totals totals;
    struct listener_totals sum;

    fake_process_init(&process);
    for (unsigned i = 0; i < 3; i++) {
        struct tally_counters *tally = &process.workers[0].counters.tallies[i];

        counter_add(&tally->closed[CLOSE_DONE], 1 + i);
        counter_add(&tally->upload_bytes, 10 + i);
        counter_add(&tally->download_bytes, 100 + i);
    }
    assert_true(totals_init(&totals, &process.view));
    totals_of_listener(&totals, &process.listeners[0], &sum);
    assert_int_equal(sum.closed[CLOSE_DONE], 3);
    assert_int_equal(sum.upload_bytes, 21);
    assert_int_equal(sum.download_bytes, 201);
    totals_of_listener(&totals, &process.listeners[1], &sum);
    assert_int_equal(sum.closed[CLOSE_DONE], 3);
    assert_int_equal(sum.upload_bytes, 12);
    totals_release(&totals);
    fake_process_end(&process);
}

#define SESSIONS 200000

/* One worker accepts, the other one ends what it was handed. */
static void *count_sessions(void *argument)
{
    struct fake_process *process = argument;

    for (unsigned i = 0; i < SESSIONS; i++) {
        counter_add(&process->workers[0].counters.listeners[0].accepted, 1);
        counter_add(&process->workers[1].counters.tallies[0].closed[CLOSE_DONE], 1);
    }
    return NULL;
}

static void test_no_more_have_ended_than_were_accepted(void **state)
{
    struct fake_process process;
    pthread_t thread;
    uint64_t closed = 0;

    fake_process_init(&process);
    assert_int_equal(pthread_create(&thread, NULL, count_sessions, &process), 0);
    while (closed < SESSIONS) {
        struct totals totals;

        assert_true(totals_init(&totals, &process.view));
        closed = counter_get(&totals.counters.tallies[0].closed[CLOSE_DONE]);
        assert_true(closed <= counter_get(&totals.counters.listeners[0].accepted));
        totals_release(&totals);
    }
    pthread_join(thread, NULL);
    fake_process_end(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals_add_all_workers),
        cmocka_unit_test(test_listener_totals_add_its_tallies_only),
        cmocka_unit_test(test_no_more_have_ended_than_were_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
